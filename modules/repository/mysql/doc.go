// Package mysql lets package repository open MySQL and MariaDB.
package mysql
