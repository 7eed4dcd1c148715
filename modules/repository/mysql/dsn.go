package mysql

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// native tells the driver's own form, user:password@tcp(host:3306)/database, which some write behind mysql://.
var native = regexp.MustCompile(`(^|@)[a-zA-Z][a-zA-Z0-9+_-]*\([^()]*\)/`)

// shape is in the error of a DSN that has another.
const shape = "it looks like mysql://user:password@host:3306/database or user:password@tcp(host:3306)/database"

// parse reads a DSN in either form. Errors hold nothing of it that may be the password.
func parse(dsn string) (*mysqldriver.Config, error) {
	rest, isURL := strings.CutPrefix(dsn, "mysql://")
	if !isURL {
		rest, isURL = strings.CutPrefix(dsn, "mariadb://")
	}
	var user *url.Userinfo
	if isURL && !native.MatchString(rest) {
		u, err := url.Parse(dsn)
		if err != nil {
			return nil, fmt.Errorf("the DSN is no URL: %s, and special characters in the password are percent-encoded", shape)
		}
		user = u.User
		rest = address(u)
	}
	begin := strings.LastIndexByte(rest, '@') + 1 // a password may hold anything
	if at := native.FindStringIndex(rest); at != nil {
		begin = at[1] - 1
	}
	path, query, _ := strings.Cut(rest[begin:], "?")
	if !strings.Contains(path, "/") {
		return nil, fmt.Errorf("the DSN names no database: %s", shape)
	}
	if err := checkParams(query); err != nil {
		return nil, err
	}
	// The driver looks for the last slash, also among the parameters.
	cfg, err := mysqldriver.ParseDSN(rest[:begin] + path + "?" + strings.ReplaceAll(query, "/", "%2F"))
	if err != nil {
		return nil, fmt.Errorf("reading the DSN: %w; %s", err, shape)
	}
	if user != nil {
		cfg.User = user.Username()
		cfg.Passwd, _ = user.Password()
	}
	cfg.Logger = &mysqldriver.NopLogger{} // its errors are returned
	return cfg, nil
}

// address writes a URL as the driver's DSN, without the user.
func address(u *url.URL) string {
	query := u.Query()
	for _, name := range []string{"socket", "unix_socket"} {
		if path := query.Get(name); path != "" {
			params := strings.Split(u.RawQuery, "&")
			kept := params[:0]
			for _, p := range params {
				if !strings.HasPrefix(p, name+"=") {
					kept = append(kept, p)
				}
			}
			return "unix(" + path + ")" + u.EscapedPath() + "?" + strings.Join(kept, "&")
		}
	}
	host := net.JoinHostPort(u.Hostname(), u.Port())
	switch {
	case u.Host == "":
		host = "127.0.0.1:3306"
	case u.Port() == "":
		host = net.JoinHostPort(u.Hostname(), "3306")
	}
	return "tcp(" + host + ")" + u.EscapedPath() + "?" + u.RawQuery
}

// checkParams refuses parameters that would break what repository promises, and those of other drivers,
// which this one would take for variables of the server.
func checkParams(query string) error {
	var errs []error
	for param := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(param, "=")
		refuse := func(reason string) { errs = append(errs, fmt.Errorf("DSN parameter %s=%s: %s", name, value, reason)) }
		switch strings.ToLower(name) {
		case "parsetime", "clientfoundrows":
			if value != "true" && value != "1" {
				refuse("it must be true, and is by default: leave it out")
			}
		case "interpolateparams":
			if value != "false" && value != "0" {
				refuse("it puts values into the SQL text; every value is to be bound: leave it out")
			}
		case "columnswithalias":
			if value != "false" && value != "0" {
				refuse("columns could not be found by their names: leave it out")
			}
		case "loc":
			if value != "UTC" {
				refuse("times are kept in UTC: leave it out, and use time.Time.In to show them")
			}
		case "time_zone":
			refuse("the session's is UTC: leave it out, and use time.Time.In to show times")
		case "charset":
			if value != "utf8mb4" && !strings.HasPrefix(value, "utf8mb4,") {
				refuse("text travels as utf8mb4: leave it out")
			}
		case "collation":
			if !strings.HasPrefix(value, "utf8mb4_") {
				refuse("text travels as utf8mb4: choose a collation of that, or leave it out")
			}
		case "strict":
			refuse("the session is always in strict mode: leave it out")
		case "ssl", "sslmode", "ssl-mode", "ssl_mode", "usessl", "sslaccept":
			refuse("this driver calls it tls: write tls=true, tls=skip-verify, tls=preferred, or the name of a registered tls.Config")
		}
	}
	return errors.Join(errs...)
}

// complete sets what repository relies on.
func complete(cfg *mysqldriver.Config) (*mysqldriver.Config, error) {
	if cfg.DBName == "" {
		return nil, fmt.Errorf("the DSN names no database: %s", shape)
	}
	cfg = cfg.Clone()
	cfg.ParseTime = true
	cfg.ClientFoundRows = true // a row that is as it was counts as updated, as on other databases
	cfg.InterpolateParams = false
	cfg.ColumnsWithAlias = false
	cfg.Loc = time.UTC
	if cfg.MaxAllowedPacket == mysqldriver.NewConfig().MaxAllowedPacket {
		cfg.MaxAllowedPacket = 0 // ask the server: MariaDB's default is a quarter of the driver's
	}
	if err := cfg.Apply(mysqldriver.TimeTruncate(time.Microsecond)); err != nil { // the server would round, maybe into the future
		return nil, err
	}
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	cfg.Params["time_zone"] = "'+00:00'"
	mode, given := cfg.Params["sql_mode"]
	if !given {
		// A zero time.Time is stored as the zero date.
		mode = "REPLACE(REPLACE(@@sql_mode, 'NO_ZERO_IN_DATE', ''), 'NO_ZERO_DATE', '')"
	}
	// What does not fit is an error, and never cut to fit.
	cfg.Params["sql_mode"] = "CONCAT(" + mode + ", ',STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION')"
	return cfg, nil
}
