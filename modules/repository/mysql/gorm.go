package mysql

import (
	"database/sql"
	"strings"

	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/migrator"
	"gorm.io/gorm/schema"
)

// dialector is gorm's own, held to what MySQL and MariaDB have in common: so it need not ask which of them
// it speaks to, and nothing connects before the first query. Of the columns that AutoMigrate makes it
// knows better where models that other databases take would fail.
type dialector struct{ gormmysql.Dialector }

func newDialector(db *sql.DB) gorm.Dialector {
	precision := 6 // of time.Time, which repository cuts to microseconds
	return dialector{gormmysql.Dialector{Config: &gormmysql.Config{
		Conn:                          db,
		SkipInitializeWithVersion:     true,
		DisableWithReturning:          true,
		DefaultDatetimePrecision:      &precision,
		DontSupportRenameIndex:        true,
		DontSupportRenameColumn:       true,
		DontSupportForShareClause:     true,
		DontSupportNullAsDefaultValue: true,
	}}}
}

// DataTypeOf gives a UUID a column where there is no type for it, and indexed text a length, which every
// index needs.
func (d dialector) DataTypeOf(field *schema.Field) string {
	switch {
	case strings.EqualFold(string(field.DataType), "uuid"):
		return "char(36)"
	case field.DataType == schema.String && field.Size == 0 && indexed(field):
		sized := *field
		sized.Size = 255
		return d.Dialector.DataTypeOf(&sized)
	}
	return d.Dialector.DataTypeOf(field)
}

func indexed(field *schema.Field) bool {
	for _, tag := range []string{"INDEX", "UNIQUEINDEX", "UNIQUE"} {
		if _, tagged := field.TagSettings[tag]; tagged {
			return true
		}
	}
	return field.PrimaryKey
}

// tableOptions make text compare byte by byte, as other databases do: two ids that differ in case are two.
const tableOptions = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"

// Migrator implements gorm.Dialector.
func (d dialector) Migrator(db *gorm.DB) gorm.Migrator {
	if _, given := db.Get("gorm:table_options"); !given {
		db = db.Set("gorm:table_options", tableOptions)
	}
	return gormmysql.Migrator{
		Migrator:  migrator.Migrator{Config: migrator.Config{DB: db, Dialector: d}},
		Dialector: d.Dialector,
	}
}
