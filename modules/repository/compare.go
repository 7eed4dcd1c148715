package repository

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"

	"gorm.io/gorm/schema"
)

// inKind is the value to compare a column with, in the column's kind. It matters on MySQL, which
// compares text with a number as numbers: 0 equals each text that does not begin with a digit, and "x"
// equals 0. A value from outside that comes in the wrong type must not match what it does not equal.
func (m *model[T]) inKind(f *schema.Field, value any) (any, error) {
	if !m.coerces {
		return value, nil
	}
	plain, err := driver.DefaultParameterConverter.ConvertValue(value)
	if err != nil {
		return value, nil //nolint:nilerr // the driver knows more types, or says the same
	}
	refuse := func() (any, error) {
		return nil, fmt.Errorf("repository: column %s of %s is compared with a %T, which is not of its type", f.DBName, m.schema.Table, value)
	}
	text, isText := asText(plain)
	switch f.GORMDataType {
	case schema.String, schema.Bytes:
		switch plain.(type) {
		case int64, float64, bool:
			if !numeric(f.DataType) {
				return refuse()
			}
		}
	case schema.Bool, schema.Int, schema.Uint:
		if !isText {
			return value, nil
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return n, nil
		}
		return refuse()
	case schema.Float:
		if !isText {
			return value, nil
		}
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n, nil
		}
		return refuse()
	}
	return value, nil
}

func asText(v driver.Value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	}
	return "", false
}

// numeric tells a column of numbers behind a Go type that is text to database/sql, such as a decimal.
func numeric(declared schema.DataType) bool {
	name := strings.ToLower(string(declared))
	for _, n := range []string{"dec", "num", "int", "float", "double", "real", "bit", "fixed"} {
		if strings.Contains(name, n) {
			return true
		}
	}
	return false
}
