package repository_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/fxpond/fxpond/modules/repository"
)

type opener = func(t testing.TB, cfg repository.Config) *repository.DB

func TestARowComesBackAsItWasCreated(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		r := users(t, open(t, repository.Config{}))
		nick := "al"
		want := User{Email: "a@x", Name: "Alice", Age: 30, Nick: &nick, Active: true, Score: 1.5, Photo: []byte{1, 0, 2}}
		must(t, r.Create(t.Context(), &want))
		if want.ID == 0 || want.CreatedAt.IsZero() {
			t.Fatalf("key or time not filled in: %+v", want)
		}
		got, err := r.Find(t.Context(), want.ID)
		must(t, err)
		got.CreatedAt, got.UpdatedAt = got.CreatedAt.UTC(), got.UpdatedAt.UTC()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		all, err := r.All(t.Context())
		must(t, err)
		if len(all) != 1 || all[0].Email != "a@x" || !slices.Equal(all[0].Photo, want.Photo) {
			t.Errorf("All: %+v", all)
		}
	})
}

func TestNullsAreZero(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db := open(t, repository.Config{})
		r := users(t, db)
		_, err := db.SQL(t.Context()).ExecContext(t.Context(), "INSERT INTO users (id, email) VALUES (7, 'n@x')")
		must(t, err)
		got, err := r.Find(t.Context(), 7)
		must(t, err)
		if want := (User{ID: 7, Email: "n@x"}); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestFindManyKeepsOrderAndNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		r := repo[Plain, int64](t, open(t, repository.Config{}))
		var rows []*Plain
		for i := range 1500 {
			rows = append(rows, &Plain{ID: int64(i + 1), Name: fmt.Sprint("n", i+1)})
		}
		must(t, r.Create(t.Context(), rows...))
		ids := []int64{1500, 3, 3, 99999, 1, -4}
		got, err := r.FindMany(t.Context(), ids)
		if !errors.Is(err, repository.ErrNotFound) || !strings.Contains(err.Error(), "99999") || !strings.Contains(err.Error(), "-4") {
			t.Errorf("error %v does not name both missing ids", err)
		}
		want := []Plain{{1500, "n1500"}, {3, "n3"}, {3, "n3"}, {}, {1, "n1"}, {}}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		var every []int64
		for i := range 1500 {
			every = append(every, int64(1500-i))
		}
		got, err = r.FindMany(t.Context(), every)
		must(t, err)
		for i, row := range got {
			if row.ID != every[i] {
				t.Fatalf("place %d holds %d, want %d", i, row.ID, every[i])
			}
		}
	})
}

func TestErrorsTellWhatHappened(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		r := users(t, open(t, repository.Config{}))
		must(t, r.Create(t.Context(), &User{Email: "a@x"}))
		_, missing := r.Find(t.Context(), 404)
		if nf, ok := errors.AsType[*repository.NotFoundError](missing); !ok || nf.ID != uint(404) || nf.Table != "users" {
			t.Errorf("missing row: %v", missing)
		}
		for name, tc := range map[string]struct{ err, want error }{
			"missing row":        {missing, repository.ErrNotFound},
			"taken unique key":   {r.Create(t.Context(), &User{Email: "a@x"}), repository.ErrDuplicate},
			"taken primary key":  {r.Create(t.Context(), &User{ID: 1, Email: "b@x"}), repository.ErrDuplicate},
			"update of missing":  {r.Update(t.Context(), &User{ID: 404, Email: "c@x"}), repository.ErrNotFound},
			"fields of missing":  {r.UpdateFields(t.Context(), 404, repository.Fields{"name": "x"}), repository.ErrNotFound},
			"unknown field":      {r.UpdateFields(t.Context(), 1, repository.Fields{"name = 'x' --": 1}), repository.ErrColumn},
			"key as field":       {r.UpdateFields(t.Context(), 1, repository.Fields{"ID": 2}), repository.ErrColumn},
			"unknown conflict":   {r.Upsert(t.Context(), []*User{{}}, repository.Conflict{Columns: []string{"nope"}}), repository.ErrColumn},
			"unknown in where":   {second(r.Where(repository.Eq("1=1", 1)).All(t.Context())), repository.ErrColumn},
			"unknown in order":   {second(r.Where().OrderBy("name; DROP TABLE users", repository.Asc).All(t.Context())), repository.ErrColumn},
			"unknown relation":   {second(r.Where().With("Nope").All(t.Context())), repository.ErrColumn},
			"first of none":      {second(r.Where(repository.Eq("age", 999)).First(t.Context())), repository.ErrNotFound},
			"cursor of nonsense": {second(r.Where().CursorPaginate(t.Context(), "%%%", 10)), repository.ErrCursor},
		} {
			if !errors.Is(tc.err, tc.want) {
				t.Errorf("%s: %v is not %v", name, tc.err, tc.want)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestUpdateWritesZerosAndGuardsTheVersion(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		r := users(t, open(t, repository.Config{}))
		row := User{Email: "a@x", Name: "Alice", Age: 30, Active: true}
		must(t, r.Create(t.Context(), &row))
		stale := row

		row.Name, row.Age, row.Active = "", 0, false
		must(t, r.Update(t.Context(), &row))
		got, err := r.Find(t.Context(), row.ID)
		must(t, err)
		if got.Name != "" || got.Age != 0 || got.Active || got.Version != 1 || row.Version != 1 {
			t.Errorf("zeros were not written, or the version not counted: %+v", got)
		}
		if !got.CreatedAt.Equal(stale.CreatedAt) {
			t.Errorf("created_at moved from %v to %v", stale.CreatedAt, got.CreatedAt)
		}

		stale.Name = "lost update"
		if err := r.Update(t.Context(), &stale); !errors.Is(err, repository.ErrConflict) || stale.Version != 0 {
			t.Errorf("stale update: %v, version %d", err, stale.Version)
		}
		must(t, r.UpdateFields(t.Context(), row.ID, repository.Fields{"Name": "Bob", "age": 0, "nick": nil}))
		if err := r.Update(t.Context(), &row); !errors.Is(err, repository.ErrConflict) {
			t.Errorf("update after UpdateFields: %v", err)
		}
		if got, err = r.Find(t.Context(), row.ID); err != nil || got.Name != "Bob" || got.Version != 2 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestSoftDeleteHidesAndRestoreBringsBack(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		r := users(t, open(t, repository.Config{}))
		for i := range 3 {
			must(t, r.Create(ctx, &User{Email: fmt.Sprint(i), Age: i}))
		}
		if n, err := r.Delete(ctx, 1, 2, 2, 99); n != 2 || err != nil {
			t.Fatalf("deleted %d, %v", n, err)
		}
		if _, err := r.Find(ctx, 1); !errors.Is(err, repository.ErrNotFound) {
			t.Errorf("a deleted row is found: %v", err)
		}
		if there, err := r.Exists(ctx, 1); there || err != nil {
			t.Errorf("a deleted row exists: %v", err)
		}
		if n, err := r.Where().WithTrashed().Count(ctx); n != 3 || err != nil {
			t.Errorf("with trashed: %d, %v", n, err)
		}
		if n, err := r.Restore(ctx, 1, 3); n != 1 || err != nil {
			t.Errorf("restored %d, %v", n, err)
		}
		if n, err := r.Where(repository.Ge("age", 2)).Delete(ctx); n != 1 || err != nil {
			t.Errorf("query deleted %d, %v", n, err)
		}
		if n, err := r.ForceDelete(ctx, 2, 3); n != 2 || err != nil {
			t.Errorf("deleted for good %d, %v", n, err)
		}
		if n, err := r.Where().WithTrashed().Count(ctx); n != 1 || err != nil {
			t.Errorf("left %d, %v", n, err)
		}
		if _, err := r.Where().Delete(ctx); err == nil {
			t.Error("a query without conditions emptied the table")
		}
	})
}

func TestKeysOfEveryKind(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		db := open(t, repository.Config{})
		must(t, users(t, db).Create(ctx, &User{ID: 1, Email: "owner@x"}))
		pets := repo[Pet, uuid.UUID](t, db)
		a, b := uuid.New(), uuid.New()
		must(t, pets.Create(ctx, &Pet{ID: a, UserID: 1, Name: "a"}, &Pet{ID: b, UserID: 1, Name: "b"}))
		got, err := pets.FindMany(ctx, []uuid.UUID{b, a})
		must(t, err)
		if got[0].Name != "b" || got[1].Name != "a" {
			t.Errorf("by UUID: %+v", got)
		}

		lines := repo[Line, LineID](t, db)
		must(t, lines.Create(ctx, &Line{1, 1, "1.1"}, &Line{1, 2, "1.2"}, &Line{2, 1, "2.1"}, &Line{0, 1, "0.1"}))
		rows, err := lines.FindMany(ctx, []LineID{{2, 1}, {1, 2}, {1, 1}})
		must(t, err)
		if rows[0].Text != "2.1" || rows[1].Text != "1.2" || rows[2].Text != "1.1" {
			t.Errorf("by composite key: %+v", rows)
		}
		must(t, lines.Update(ctx, &Line{0, 1, "changed"})) // a zero in the key must not widen the update
		if n, err := lines.Where(repository.Eq("text", "changed")).Count(ctx); n != 1 || err != nil {
			t.Errorf("an update with a zero in its key changed %d rows, %v", n, err)
		}
		if n, err := lines.Delete(ctx, LineID{1, 1}, LineID{7, 7}); n != 1 || err != nil {
			t.Errorf("deleted %d, %v", n, err)
		}
	})
}

func TestKeysThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	db := start(t, repository.Config{})
	type NoKey struct{ Name string }
	for name, err := range map[string]error{
		"wrong type":      second(repository.New[User, int](db)),
		"first of two":    second(repository.New[Line, int64](db)),
		"no key":          second(repository.New[NoKey, int](db)),
		"struct misnamed": second(repository.New[Line, struct{ A, B int64 }](db)),
	} {
		if !errors.Is(err, repository.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := repository.New[int, int](db); err == nil {
		t.Error("an int is no model")
	}
}

func TestAStringIDIsNeverSQL(t *testing.T) {
	t.Parallel()
	type Note struct {
		ID   string `gorm:"primaryKey"`
		Text string
	}
	eachDatabase(t, func(t *testing.T, open opener) {
		r := repo[Note, string](t, open(t, repository.Config{AutoMigrate: []any{&Note{}}}))
		must(t, r.Create(t.Context(), &Note{ID: "a", Text: "secret"}))
		for _, id := range []string{"1=1", "' OR '1'='1", "a' --", "?", "$1"} {
			if _, err := r.Find(t.Context(), id); !errors.Is(err, repository.ErrNotFound) {
				t.Errorf("Find(%q): %v", id, err)
			}
			if _, err := r.FindMany(t.Context(), []string{id, id + "x"}); !errors.Is(err, repository.ErrNotFound) {
				t.Errorf("FindMany(%q): %v", id, err)
			}
			if n, err := r.Where(repository.Eq("text", id)).Count(t.Context()); n != 0 || err != nil {
				t.Errorf("Eq(%q): %d, %v", id, n, err)
			}
			if n, err := r.Delete(t.Context(), id); n != 0 || err != nil {
				t.Errorf("Delete(%q): %d, %v", id, n, err)
			}
		}
	})
}

func TestUpsertInsertsOrChanges(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		r := users(t, open(t, repository.Config{}))
		must(t, r.Create(ctx, &User{Email: "a@x", Name: "old", Age: 1}))
		must(t, r.Upsert(ctx, []*User{{Email: "a@x", Name: "new", Age: 2}, {Email: "b@x", Name: "b"}},
			repository.Conflict{Columns: []string{"email"}, Update: []string{"name"}}))
		a, err := r.Where(repository.Eq("email", "a@x")).First(ctx)
		must(t, err)
		if a.Name != "new" || a.Age != 1 || a.Version != 1 {
			t.Errorf("upsert left %+v", a)
		}
		must(t, r.Upsert(ctx, []*User{{ID: a.ID, Email: "a@x", Name: "newer"}}, repository.Conflict{}))
		must(t, r.Upsert(ctx, []*User{{Email: "a@x", Name: "ignored"}}, repository.Conflict{Columns: []string{"email"}, Nothing: true}))
		if a, err = r.Find(ctx, a.ID); err != nil || a.Name != "newer" {
			t.Errorf("got %+v, %v", a, err)
		}

		row := User{Email: "a@x", Name: "other"}
		created, err := r.FirstOrCreate(ctx, &row, "email")
		if created || err != nil || row.ID != a.ID || row.Name != "newer" {
			t.Errorf("FirstOrCreate of one that is there: %v %v %+v", created, err, row)
		}
		row = User{Email: "c@x"}
		if created, err = r.FirstOrCreate(ctx, &row, "email"); !created || err != nil || row.ID == 0 {
			t.Errorf("FirstOrCreate of a new one: %v %v %+v", created, err, row)
		}
	})
}

func TestHooksShareTheTransaction(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		db := open(t, repository.Config{})
		var seen []string
		fail := errors.New("no")
		note := func(what string) func(context.Context, *User) error {
			return func(ctx context.Context, u *User) error {
				if !db.InTx(ctx) {
					t.Errorf("%s runs outside the transaction", what)
				}
				seen = append(seen, what+" "+u.Email)
				if u.Name == "refused" {
					return fail
				}
				return nil
			}
		}
		r := users(t, db, repository.WithHooks(repository.Hooks[User]{
			BeforeSave:  func(_ context.Context, u *User) error { u.Email = strings.ToLower(u.Email); return nil },
			AfterCreate: note("created"), AfterUpdate: note("updated"), AfterSave: note("saved"), AfterDelete: note("deleted"),
		}))
		row := User{Email: "A@X"}
		must(t, r.Create(ctx, &row))
		row.Age = 2
		must(t, r.Update(ctx, &row))
		must(t, r.UpdateFields(ctx, row.ID, repository.Fields{"age": 3}))
		if err := r.Create(ctx, &User{Email: "b@x", Name: "refused"}); !errors.Is(err, fail) {
			t.Errorf("refused create: %v", err)
		}
		if n, err := r.Where().Count(ctx); n != 1 || err != nil {
			t.Errorf("a refused row was kept: %d, %v", n, err)
		}
		must(t, r.Upsert(ctx, []*User{{Email: "c@x"}}, repository.Conflict{Columns: []string{"email"}}))
		if _, err := r.Delete(ctx, row.ID); err != nil {
			t.Fatal(err)
		}
		want := []string{"created a@x", "updated a@x", "updated a@x", "created b@x", "saved c@x", "deleted a@x"}
		if !slices.Equal(seen, want) {
			t.Errorf("heard %q, want %q", seen, want)
		}
	})
}

// A hook that changes the key must not make an update hit another row.
func TestUpdateStaysWithItsRow(t *testing.T) {
	t.Parallel()
	db := start(t, repository.Config{})
	r, err := repository.New[Plain, int64](db, repository.WithHooks(repository.Hooks[Plain]{
		BeforeSave: func(_ context.Context, row *Plain) error { row.ID = 2; return nil },
	}))
	must(t, err)
	plain := repo[Plain, int64](t, db)
	must(t, plain.Create(t.Context(), &Plain{ID: 1, Name: "one"}, &Plain{ID: 2, Name: "two"}))
	_ = r.Update(t.Context(), &Plain{ID: 1, Name: "changed"}) // whatever it says
	got, err := plain.Find(t.Context(), 2)
	must(t, err)
	if got.Name != "two" {
		t.Errorf("the update hit row 2: %+v", got)
	}
}
