package repository_test

import (
	"context"
	"fmt"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/repository"
)

// printer stands for the SQS publisher.
type printer chan string

func (p printer) Publish(_ context.Context, all ...events.Any) error {
	for _, e := range all {
		p <- e.Name
	}
	return nil
}

func ExampleOutbox() {
	ctx := context.Background()
	published := make(printer)
	created := events.NewTopic[Plain]("plain.created")

	db, err := repository.NewDB(repository.Config{AutoMigrate: []any{&Plain{}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := db.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Stop(ctx) }()
	plains, err := repository.New[Plain, int64](db)
	if err != nil {
		fmt.Println(err)
		return
	}
	outbox, err := repository.NewOutbox(db, published, repository.OutboxConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := outbox.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = outbox.Stop(ctx) }()

	err = db.Transaction(ctx, func(ctx context.Context) error {
		row := Plain{Name: "one"}
		if err := plains.Create(ctx, &row); err != nil {
			return err
		}
		return outbox.Add(ctx, created.New(row)) // published if the row is committed
	})
	fmt.Println(err)
	fmt.Println(<-published)
	// Output:
	// <nil>
	// plain.created
}

func ExampleRepository_FindManyAsync() {
	ctx := context.Background()
	db, err := repository.NewDB(repository.Config{AutoMigrate: []any{&Plain{}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := db.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Stop(ctx) }()
	plains, err := repository.New[Plain, int64](db)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := plains.Create(ctx, &Plain{ID: 1, Name: "one"}, &Plain{ID: 2, Name: "two"}); err != nil {
		fmt.Println(err)
		return
	}
	for result := range plains.FindManyAsync(ctx, []int64{2, 1, 3}) {
		if result.Error != nil {
			fmt.Println(result.Index, result.Error)
			continue
		}
		fmt.Println(result.Index, result.Data.Name)
	}
	// Unordered output:
	// 0 two
	// 1 one
	// 2 repository: plains 3 not found
}
