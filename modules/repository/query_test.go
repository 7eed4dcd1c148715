package repository_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/fxpond/fxpond/modules/repository"
)

func seed(t testing.TB, r *repository.Repository[User, uint], n int) {
	t.Helper()
	rows := make([]*User, n)
	for i := range rows {
		rows[i] = &User{Email: fmt.Sprintf("u%03d@x", i), Name: fmt.Sprint("n", i%3), Age: i % 10}
		if i%4 == 0 {
			nick := fmt.Sprint("k", i%5)
			rows[i].Nick = &nick
		}
	}
	must(t, r.Create(t.Context(), rows...))
}

func TestConditionsSelectWhatTheySay(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		r := users(t, open(t, repository.Config{}))
		seed(t, r, 40)
		for _, tc := range []struct {
			name string
			cond repository.Cond
			pick func(u User) bool
		}{
			{"Eq", repository.Eq("age", 3), func(u User) bool { return u.Age == 3 }},
			{"Eq by Go name", repository.Eq("Age", 3), func(u User) bool { return u.Age == 3 }},
			{"Eq nil", repository.Eq("nick", nil), func(u User) bool { return u.Nick == nil }},
			{"Eq nil pointer", repository.Eq("nick", (*string)(nil)), func(u User) bool { return u.Nick == nil }},
			{"Ne", repository.Ne("age", 3), func(u User) bool { return u.Age != 3 }},
			{"Gt", repository.Gt("age", 7), func(u User) bool { return u.Age > 7 }},
			{"Ge", repository.Ge("age", 7), func(u User) bool { return u.Age >= 7 }},
			{"Lt", repository.Lt("age", 2), func(u User) bool { return u.Age < 2 }},
			{"Le", repository.Le("age", 2), func(u User) bool { return u.Age <= 2 }},
			{"Like", repository.Like("email", "u01%"), func(u User) bool { return u.Email[:3] == "u01" }},
			{"In", repository.In("age", 1, 2), func(u User) bool { return u.Age == 1 || u.Age == 2 }},
			{"In one", repository.In("age", 1), func(u User) bool { return u.Age == 1 }},
			{"In none", repository.In[int]("age"), func(User) bool { return false }},
			{"Not In none", repository.Not(repository.In[int]("age")), func(User) bool { return true }},
			{"NotNull", repository.NotNull("nick"), func(u User) bool { return u.Nick != nil }},
			{"Or", repository.Or(repository.Eq("age", 1), repository.Eq("name", "n2")), func(u User) bool { return u.Age == 1 || u.Name == "n2" }},
			{"Or of none", repository.Or(), func(User) bool { return false }},
			{"And of none", repository.And(), func(User) bool { return true }},
			{
				"nested", repository.And(repository.Not(repository.Or(repository.Eq("age", 1), repository.Lt("age", 1))), repository.Eq("name", "n0")),
				func(u User) bool { return u.Age > 1 && u.Name == "n0" },
			},
		} {
			rest := repository.Le("age", 8) // must bind less tightly than whatever the condition is
			got, err := r.Where(tc.cond, rest).OrderBy("id", repository.Asc).All(t.Context())
			must(t, err)
			var want []uint
			all, err := r.All(t.Context())
			must(t, err)
			for _, u := range all {
				if tc.pick(u) && u.Age <= 8 {
					want = append(want, u.ID)
				}
			}
			if !slices.Equal(idsOf(got), want) {
				t.Errorf("%s: got %v, want %v", tc.name, idsOf(got), want)
			}
		}
		n, err := r.Where(repository.Gt("age", 3)).WhereSQL("age % ? = 0 OR name = ?", 2, "n1").Count(t.Context())
		must(t, err)
		var want int64
		all, err := r.All(t.Context())
		must(t, err)
		for _, u := range all {
			if u.Age > 3 && (u.Age%2 == 0 || u.Name == "n1") {
				want++
			}
		}
		if n != want {
			t.Errorf("WhereSQL: %d, want %d", n, want)
		}
	})
}

func idsOf(rows []User) []uint {
	var ids []uint
	for _, u := range rows {
		ids = append(ids, u.ID)
	}
	return ids
}

func TestAQueryIsAValue(t *testing.T) {
	t.Parallel()
	r := users(t, start(t, repository.Config{}))
	seed(t, r, 30)
	base := r.Where(repository.Ge("age", 0)).OrderBy("age", repository.Desc)
	var wg sync.WaitGroup
	for age := range 10 {
		wg.Go(func() {
			for range 20 {
				rows, err := base.Where(repository.Eq("age", age)).OrderBy("id", repository.Asc).Limit(2).All(t.Context())
				if err != nil || len(rows) != 2 || rows[0].Age != age || rows[1].Age != age {
					t.Errorf("age %d: %v, %v", age, idsOf(rows), err)
					return
				}
			}
		})
	}
	wg.Wait()
	if rows, err := base.All(t.Context()); err != nil || len(rows) != 30 {
		t.Errorf("the shared query changed: %d rows, %v", len(rows), err)
	}
}

func TestBothPaginationsShowEveryRowOnce(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		r := users(t, open(t, repository.Config{}))
		seed(t, r, 47)
		for name, q := range map[string]repository.Query[User]{
			"by key":          r.Where(),
			"ties":            r.Where().OrderBy("age", repository.Desc),
			"two columns":     r.Where().OrderBy("name", repository.Asc).OrderBy("age", repository.Desc),
			"nullable":        r.Where().OrderBy("nick", repository.Asc),
			"nullable, desc":  r.Where().OrderBy("nick", repository.Desc).OrderBy("email", repository.Desc),
			"time":            r.Where().OrderBy("created_at", repository.Desc),
			"with conditions": r.Where(repository.Or(repository.Eq("age", 1), repository.Eq("age", 2))).OrderBy("age", repository.Asc),
		} {
			all, err := q.OrderBy("id", repository.Asc).All(ctx)
			must(t, err)
			var pages, cursors []uint
			for i := 1; ; i++ {
				p, err := q.Paginate(ctx, i, 5)
				must(t, err)
				if p.Total != int64(len(all)) || p.Pages != (len(all)+4)/5 {
					t.Fatalf("%s: total %d in %d pages of %d", name, p.Total, p.Pages, len(all))
				}
				pages = append(pages, idsOf(p.Rows)...)
				if i == p.Pages {
					break
				}
			}
			for after := repository.Cursor(""); ; {
				p, err := q.CursorPaginate(ctx, after, 5)
				must(t, err)
				cursors = append(cursors, idsOf(p.Rows)...)
				if after = p.Next; after == "" {
					break
				}
			}
			if !slices.Equal(pages, idsOf(all)) {
				t.Errorf("%s: pages show %v\nwant %v", name, pages, idsOf(all))
			}
			if !slices.Equal(cursors, idsOf(all)) {
				t.Errorf("%s: cursors show %v\nwant %v", name, cursors, idsOf(all))
			}
		}
		var each []uint
		for u, err := range r.Each(ctx, 7) {
			must(t, err)
			each = append(each, u.ID)
		}
		if len(each) != 47 || !slices.IsSorted(each) {
			t.Errorf("Each showed %v", each)
		}
		p, err := r.Where().OrderBy("age", repository.Asc).CursorPaginate(ctx, "", 5)
		must(t, err)
		if _, err := r.Where().OrderBy("age", repository.Desc).CursorPaginate(ctx, p.Next, 5); err == nil {
			t.Error("a cursor of another order was taken")
		}
	})
}

func TestRelationsAreLoadedWhenAskedFor(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db := open(t, repository.Config{})
		r := users(t, db)
		u := User{Email: "a@x", Pets: []Pet{{ID: uuid.New(), Name: "not saved along"}}}
		must(t, r.Create(t.Context(), &u))
		must(t, repo[Pet, uuid.UUID](t, db).Create(t.Context(), &Pet{ID: uuid.New(), UserID: u.ID, Name: "rex"}))
		got, err := r.Where().With("Pets").First(t.Context())
		must(t, err)
		if len(got.Pets) != 1 || got.Pets[0].Name != "rex" {
			t.Errorf("pets: %+v", got.Pets)
		}
	})
}
