package repository_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/repository"
)

// Databases differ in what follows; whoever uses this package must not notice.

func TestAnUpsertMeetsOnlyTheKeyItNames(t *testing.T) {
	t.Parallel()
	type Seat struct {
		ID    int64  `gorm:"primaryKey"`
		Row   string `gorm:"uniqueIndex"`
		Guest string `gorm:"uniqueIndex"`
		Note  string
	}
	type Badge struct {
		Code  string `gorm:"primaryKey"`
		Guest string `gorm:"uniqueIndex"`
	}
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		db := open(t, repository.Config{AutoMigrate: []any{&Seat{}, &Badge{}}})
		seats, badges := repo[Seat, int64](t, db), repo[Badge, string](t, db)
		must(t, seats.Create(ctx, &Seat{ID: 1, Row: "a", Guest: "ann", Note: "old"}, &Seat{ID: 2, Row: "b", Guest: "bob", Note: "old"}))
		must(t, badges.Create(ctx, &Badge{Code: "x", Guest: "ann"}))
		byRow := repository.Conflict{Columns: []string{"row"}}
		for name, err := range map[string]error{
			"update":         seats.Upsert(ctx, []*Seat{{Row: "c", Guest: "cid"}, {Row: "d", Guest: "ann", Note: "lost"}}, byRow),
			"nothing":        seats.Upsert(ctx, []*Seat{{Row: "d", Guest: "ann"}}, repository.Conflict{Columns: []string{"row"}, Nothing: true}),
			"primary key":    seats.Upsert(ctx, []*Seat{{ID: 2, Row: "e", Guest: "eve", Note: "lost"}}, byRow),
			"by key":         seats.Upsert(ctx, []*Seat{{Row: "a", Guest: "eve", Note: "lost"}}, repository.Conflict{}),
			"text key":       badges.Upsert(ctx, []*Badge{{Code: "y", Guest: "ann"}}, repository.Conflict{}),
			"find or create": second(seats.FirstOrCreate(ctx, &Seat{Row: "d", Guest: "ann"}, "row")),
		} {
			if !errors.Is(err, repository.ErrDuplicate) {
				t.Errorf("%s: another key is taken: %v", name, err)
			}
		}
		must(t, seats.Upsert(ctx, []*Seat{{Row: "a", Guest: "ann", Note: "new"}}, byRow))
		must(t, badges.Upsert(ctx, []*Badge{{Code: "x", Guest: "zoe"}}, repository.Conflict{}))
		rows, err := seats.All(ctx)
		must(t, err)
		if want := []Seat{{1, "a", "ann", "new"}, {2, "b", "bob", "old"}}; !slices.Equal(rows, want) {
			t.Errorf("left %v, want %v", rows, want)
		}
		if b, err := badges.Find(ctx, "x"); err != nil || b.Guest != "zoe" {
			t.Errorf("badge %v, %v", b, err)
		}
	})
}

func TestRowsGetTheirOwnKeysAndDefaults(t *testing.T) {
	t.Parallel()
	type Ticket struct {
		ID   int64 `gorm:"primaryKey"`
		Name string
		Kind string `gorm:"size:20;default:(lower('PLAIN'))"`
	}
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		r := repo[Ticket, int64](t, open(t, repository.Config{AutoMigrate: []any{&Ticket{}}}))
		rows := []*Ticket{{Name: "a"}, {Name: "b"}, {ID: 500, Name: "c"}, {ID: 1007, Name: "d", Kind: "own"}, {Name: "e"}, {Name: "f"}}
		must(t, r.Create(ctx, rows...))
		one := Ticket{Name: "one"}
		must(t, r.Create(ctx, &one))
		two := Ticket{Name: "two"}
		created, err := r.FirstOrCreate(ctx, &two)
		if !created || err != nil {
			t.Errorf("created %v, %v", created, err)
		}
		for _, row := range append(rows, &one, &two) {
			stored, err := r.Find(ctx, row.ID)
			if err != nil || stored != *row || row.Kind == "" {
				t.Errorf("row %+v is stored as %+v, %v", *row, stored, err)
			}
		}
	})
}

// MySQL compares text with a number as numbers: then 0 is equal to most texts.
func TestAValueOfAnotherTypeMatchesNothingElse(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		r := users(t, open(t, repository.Config{}))
		must(t, r.Create(ctx, &User{Email: "a@x", Name: "secret", Age: 0}))
		for name, c := range map[string]repository.Cond{
			"number": repository.Eq("name", 0),
			"bool":   repository.Eq("name", false),
			"float":  repository.Eq("name", 0.0),
			"list":   repository.In[any]("name", "other", 0),
			"text":   repository.Eq("age", "x"),
			"in not": repository.Not(repository.Ne("name", 0)),
		} {
			rows, _ := r.Where(c).All(ctx) // some databases refuse, some find nothing
			if len(rows) > 0 {
				t.Errorf("%s: found %v", name, rows)
			}
		}
		if n, err := r.Where(repository.Ge("age", "0"), repository.Eq("active", false), repository.In("score", 0)).Count(ctx); n != 1 || err != nil {
			t.Errorf("values of the right type: %d, %v", n, err)
		}
	})
}

func TestTimesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	type Moment struct {
		ID int64 `gorm:"primaryKey"`
		At time.Time
	}
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		r := repo[Moment, int64](t, open(t, repository.Config{AutoMigrate: []any{&Moment{}}}))
		for i, at := range []time.Time{
			{},
			time.Date(2026, 3, 29, 2, 30, 0, 123_000_000, time.FixedZone("", 3600)),
			time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC),
			time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), // behind the end of MySQL's TIMESTAMP
		} {
			id := int64(i + 1)
			must(t, r.Create(ctx, &Moment{ID: id, At: at}))
			if got, err := r.Find(ctx, id); err != nil || !got.At.Equal(at) {
				t.Errorf("%v came back as %v, %v", at, got.At, err)
			}
			if got, err := r.Where(repository.Eq("at", at)).First(ctx); err != nil || got.ID != id {
				t.Errorf("%v finds %+v, %v", at, got, err)
			}
		}
		late := time.Date(2026, 1, 1, 0, 0, 0, 999_999_999, time.UTC)
		must(t, r.Create(ctx, &Moment{ID: 9, At: late}))
		if got, err := r.Find(ctx, 9); err != nil || got.At.After(late) {
			t.Errorf("%v came back as the later %v, %v", late, got.At, err)
		}
	})
}

func TestARowThatIsAsItWasCounts(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		db := open(t, repository.Config{})
		r := repo[Plain, int64](t, db)
		row := Plain{ID: 1, Name: "same"}
		must(t, r.Create(ctx, &row))
		must(t, r.Update(ctx, &row))
		must(t, r.UpdateFields(ctx, 1, repository.Fields{"name": "same"}))
		result, err := db.SQL(ctx).ExecContext(ctx, "UPDATE plains SET name = 'same' WHERE id = 1")
		must(t, err)
		if n, err := result.RowsAffected(); n != 1 || err != nil {
			t.Errorf("an update to the same value found %d rows, %v", n, err)
		}
	})
}

func TestKeysDifferInCaseAndBlanks(t *testing.T) {
	t.Parallel()
	keys := []string{"e", "E", "e ", "é", "e\x00"}
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		db := open(t, repository.Config{})
		store, ledger := repository.NewStore(db), repository.NewLedger(db, repository.LedgerConfig{})
		var want []string
		for _, key := range keys {
			if db.Driver() == "postgres" && strings.Contains(key, "\x00") {
				continue // its text cannot hold that
			}
			want = append(want, key)
			must(t, store.Append(ctx, events.Any{ID: key, Name: "n", Timestamp: time.Now()}))
			if ran, err := ledger.Run(ctx, key, "l", func(context.Context) error { return nil }); !ran || err != nil {
				t.Errorf("%q: ran %v, %v", key, ran, err)
			}
		}
		var got []string
		for r, err := range store.Read(ctx, events.Query{}) {
			must(t, err)
			got = append(got, r.Event.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("read %q, want %q", got, want)
		}
	})
}

// What does not fit is an error. Cut to fit, two listeners or events could become one.
func TestNothingIsCutToFit(t *testing.T) {
	t.Parallel()
	type Short struct {
		ID   int64  `gorm:"primaryKey"`
		Name string `gorm:"type:varchar(5);check:length(name) <= 5"`
	}
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		db := open(t, repository.Config{AutoMigrate: []any{&Short{}}})
		r := repo[Short, int64](t, db)
		if err := r.Create(ctx, &Short{ID: 1, Name: "longer than five"}); err == nil {
			row, _ := r.Find(ctx, 1)
			t.Errorf("stored %+v", row)
		}
		ledger := repository.NewLedger(db, repository.LedgerConfig{})
		long := strings.Repeat("x", 1500)
		for _, event := range []string{long + "1", long + "2"} {
			ran, err := ledger.Run(ctx, event, "l", func(context.Context) error { return nil })
			if !ran && err == nil {
				t.Error("a listener was taken for another")
			}
		}
	})
}

// After a deadlock MySQL rolls the whole transaction back and takes what comes next for statements of
// their own: a program that ignores the error would commit half of its transaction.
func TestATransactionThatLostIsLostWhole(t *testing.T) {
	t.Parallel()
	for _, nested := range []bool{false, true} {
		t.Run(fmt.Sprintf("nested %v", nested), func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, open opener) {
				ctx := t.Context()
				db := open(t, repository.Config{})
				if db.Driver() == "sqlite" {
					t.Skip("it has one writer at a time")
				}
				r := repo[Plain, int64](t, db)
				must(t, r.Create(ctx, &Plain{ID: 1}, &Plain{ID: 2}))
				var both, ends sync.WaitGroup
				both.Add(2)
				failed := make([]error, 2)
				ended := make([]error, 2)
				for i := range 2 {
					first, second := int64(i+1), int64(2-i)
					name := fmt.Sprint("by ", i)
					ends.Go(func() {
						ended[i] = db.Transaction(ctx, func(ctx context.Context) error {
							err := errors.Join(
								r.Create(ctx, &Plain{ID: 20 + int64(i)}),
								r.UpdateFields(ctx, first, repository.Fields{"name": name}),
							)
							both.Done()
							both.Wait()
							cross := func(ctx context.Context) error {
								return r.UpdateFields(ctx, second, repository.Fields{"name": name})
							}
							if nested {
								failed[i] = db.Transaction(ctx, cross)
							} else {
								failed[i] = cross(ctx)
							}
							// The mistake: go on whatever happened.
							_ = r.Create(ctx, &Plain{ID: 10 + int64(i), Name: name})
							return err
						})
					})
				}
				ends.Wait()
				lost := 0
				for i := range 2 {
					before, err := r.Exists(ctx, 20+int64(i))
					must(t, err)
					after, err := r.Exists(ctx, 10+int64(i))
					must(t, err)
					kept := ended[i] == nil
					if failed[i] != nil {
						lost++
						if !errors.Is(failed[i], repository.ErrConflict) {
							t.Errorf("the loser's statement: %v", failed[i])
						}
						if !nested && kept {
							t.Error("the loser's commit succeeded")
						}
					}
					if before != kept || after != kept {
						t.Errorf("transaction %d ended with %v; of its writes before and after the deadlock were kept: %v %v", i, ended[i], before, after)
					}
				}
				if lost != 1 {
					t.Errorf("%d transactions lost: %v", lost, failed)
				}
			})
		})
	}
}
