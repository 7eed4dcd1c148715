package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
)

// conn is a client as lean as it gets, so that the server is what is measured: one kept-alive connection, requests built by
// hand, answers scanned for what the loop needs.
//
// Its socket blocks: with Go's poller in between, a single loop would measure the client's wake-ups as much as the server.
type conn struct {
	net  *os.File
	in   *bufio.Reader
	out  []byte
	body []byte
}

func dial(addr string) (*conn, error) {
	c, err := net.Dial("tcp", addr) //nolint:noctx // loopback, in a benchmark
	if err != nil {
		return nil, err
	}
	defer c.Close() //nolint:errcheck // the file below is a duplicate
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, errors.New("not a TCP connection")
	}
	f, err := tcp.File()
	if err != nil {
		return nil, err
	}
	f.Fd() // makes it block
	return &conn{net: f, in: bufio.NewReaderSize(f, 64<<10)}, nil
}

// call posts an AWS JSON 1.0 request and returns the answer's body, which is good until the next call.
func (c *conn) call(action string, body []byte) ([]byte, error) {
	c.out = append(c.out[:0], "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS."...)
	c.out = append(c.out, action...)
	c.out = append(c.out, "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=bench/20261123/us-east-1/sqs/aws4_request\r\nContent-Length: "...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(append(c.out, "\r\n\r\n"...), body...)
	if _, err := c.net.Write(c.out); err != nil {
		return nil, err
	}
	return c.answer(action)
}

func (c *conn) answer(action string) ([]byte, error) {
	status, length := 0, -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if status == 0 {
			if len(line) < 12 {
				return nil, errors.New("no status line")
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return nil, err
			}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, err
			}
		}
	}
	if length < 0 {
		return nil, errors.New("answer without Content-Length")
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		return nil, err
	}
	if status != 200 {
		return nil, fmt.Errorf("%s: HTTP %d: %s", action, status, c.body)
	}
	return c.body, nil
}
