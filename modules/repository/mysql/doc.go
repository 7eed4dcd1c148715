// Package mysql lets package repository open MySQL and MariaDB. Import it for that:
//
//	import _ "github.com/fxpond/fxpond/modules/repository/mysql"
//
// and give repository.Config a DSN such as "mysql://user:password@host:3306/app" ("mariadb://" means the
// same), or one in the driver's own form, "user:password@tcp(host:3306)/app". Parameters are those of
// go-sql-driver, such as tls=true or timeout=5s; socket=/run/mysqld/mysqld.sock names a Unix socket. It
// stands apart so that users of other databases do not carry it.
//
// # Servers
//
// MySQL from 8.0 and MariaDB from 10.6 on, with InnoDB. One SQL serves both; it is tested against MariaDB
// 10.11 at each change, and was against MariaDB 11.8 and MySQL 9.7. An older server, TiDB and Vitess are
// refused at start.
//
// All processes must write to one node. On a cluster where several nodes take writes (Galera, a
// multi-primary group, a ring) locks stay on their node, so neither Store nor Outbox would keep its
// promise; a server that is set up for it, with auto_increment_increment above 1, is refused unless the DSN
// says auto_increment_increment=1. Read a Store where it is written, or from a replica that keeps the order
// of commits.
//
// # What is set
//
// Each session is in UTC, in utf8mb4, in strict mode, so nothing is cut to fit, and READ COMMITTED, as on
// PostgreSQL: it has fewer locks to wait for than MySQL's own default, REPEATABLE READ. A transaction may
// ask for another level with sql.TxOptions, a DSN with transaction_isolation (tx_isolation on MariaDB before
// 11.1); the promises hold on each. With binlog_format=STATEMENT a server refuses writes at READ COMMITTED.
// A DSN that contradicts what the promises need is an error that says what to leave out. Values are bound by
// the server, never written into the SQL; an update counts the rows it found, also those that were so
// already.
//
// # Transactions
//
// A deadlock or a lock that cannot be had in time (innodb_lock_wait_timeout, 50s) is a
// repository.ErrConflict. After a deadlock the server has rolled back the whole transaction, savepoints
// too: what is tried in it afterwards, and its commit, are that same error, where plain go-sql-driver would
// go on outside of any transaction. Retry from the beginning.
//
// DDL in a transaction commits it. A statement that is cancelled ends its connection; the server may still
// finish it, and commits it if it was in no transaction.
//
// # Stores
//
// Store: a transaction that appends locks out others that append until it ends. That is what lets readers
// go on from a cursor and miss nothing. Append late in a transaction, and in the same order as other locks.
//
// Limits, in bytes: an event's ID, source, name, stream and ordering key 512; source and ID together, which
// is also what the Ledger knows an event by, 1024; a listener's name 255.
//
// # Migrations
//
// DDL cannot be rolled back, so migrations run statement by statement, each noted in fxpond_steps, under a
// lock of the server: a start that comes after a crash or a failure goes on behind the last statement that
// was done, and runs none twice. Statements that ran must not be edited; DELIMITER lines are understood.
//
// # Models
//
// Text compares by its column's collation. Those of MySQL by default ignore case, and many ignore trailing
// blanks: give string keys a binary one, utf8mb4_0900_bin on MySQL and utf8mb4_nopad_bin on MariaDB.
// AutoMigrate makes tables with utf8mb4_bin, indexed strings without a size varchar(255), "type:uuid"
// char(36), and times datetime(6). Give your own time columns that precision too: the server rounds to
// what a column has. The zero time.Time is kept as the zero date.
//
// A default that the database computes is read back after an insert; a key that it computes, other than an
// automatic number, cannot be.
//
// # Dependencies
//
// go-sql-driver/mysql connects, in the binary protocol; gorm's own MySQL dialector writes the SQL of models.
package mysql
