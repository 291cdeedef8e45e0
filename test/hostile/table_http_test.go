package hostile_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// tokens are about who is let in.
func tokens() []attempt {
	post := func(lines string) func(*visit) {
		return raw("POST PATH HTTP/1.1\r\nHost: sluice.example\r\nContent-Length: 0\r\n" + lines + "\r\n")
	}
	return []attempt{
		{name: "no `Authorization`", do: post(""), answer: "401 unauthorized"},
		{name: "an empty `Authorization`", do: post("Authorization:\r\n"), answer: "401 unauthorized"},
		{name: "`Authorization` of white space", do: post("Authorization: \t \r\n"), answer: "401 unauthorized"},
		{name: "`Bearer` and nothing else", do: post("Authorization: Bearer\r\n"), answer: "401 unauthorized"},
		{name: "a wrong token of the right length", do: func(v *visit) {
			post("Authorization: " + v.token[:len(v.token)-2] + "~~\r\n")(v)
		}, answer: "401 unauthorized"},
		{name: "the right token and one character more", do: post("Authorization: TOKENx\r\n"), answer: "401 unauthorized"},
		{name: "the right token with white space around it, which belongs to no header's value", do: post("Authorization: \t TOKEN \t\r\n"), answer: "200 accepted"},
		{name: "the token in capitals", do: func(v *visit) { post("Authorization: " + strings.ToUpper(v.token) + "\r\n")(v) }, answer: "401 unauthorized"},
		{name: "the token twice in one header", do: post("Authorization: TOKEN, TOKEN\r\n"), answer: "401 unauthorized"},
		{name: "two `Authorization` headers, one right", do: post("Authorization: nonsense-nonsense\r\nAuthorization: TOKEN\r\n"), answer: "401 unauthorized"},
		{name: "the right `Authorization` twice", do: post("Authorization: TOKEN\r\nauthorization: TOKEN\r\n"), answer: "401 unauthorized"},
		{name: "the token folded into a second line", do: post("Authorization:\r\n  TOKEN\r\n"), answer: "200 accepted"},
		{name: "the token in a trailer", do: raw("POST PATH HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n0\r\nAuthorization: TOKEN\r\n\r\n"), answer: "401 unauthorized"},
		{name: "the token in the query", do: raw("POST PATH?token=TOKEN&authorization=TOKEN HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), answer: "401 unauthorized"},
		{name: "the token as user information and cookie", do: raw("POST http://x:TOKEN@hostPATH HTTP/1.1\r\nHost: x\r\nCookie: authorization=TOKEN\r\nContent-Length: 0\r\n\r\n"), answer: "401 unauthorized"},
		{name: "the token as `Basic`", do: post("Authorization: Basic TOKEN\r\n"), answer: "401 unauthorized"},
		{name: "the token in `Proxy-Authorization`", do: post("Proxy-Authorization: TOKEN\r\nX-Authorization: TOKEN\r\n"), answer: "401 unauthorized"},
		{name: "the token of another endpoint", do: raw("POST OTHER HTTP/1.1\r\nHost: x\r\nAuthorization: TOKEN\r\nContent-Length: 0\r\n\r\n"), answer: "401 unauthorized"},
		{name: "a token that is being replaced, within its grace", do: post("Authorization: OLD\r\n"), answer: "200 accepted"},
		{name: "a token that was revoked, replayed", do: post("Authorization: GONE\r\n"), answer: "401 unauthorized"},
		{name: "a token of 12 KB", do: post("Authorization: " + strings.Repeat("A", 12<<10) + "\r\n"), answer: "401 unauthorized"},
		{name: "a token of invalid UTF-8 and ANSI escapes", do: post("Authorization: \xff\xfe\x80MARK\r\n"), answer: "401 unauthorized"},
		{name: "`Expect: 100-continue` with a wrong token: the body is not asked for", do: raw("POST PATH HTTP/1.1\r\nHost: x\r\nAuthorization: nonsense-nonsense\r\nExpect: 100-continue\r\nContent-Length: 33554432\r\n\r\n"), answer: "401 unauthorized"},
		{name: "a wrong token and a body that never comes", do: raw("POST PATH HTTP/1.1\r\nHost: x\r\nAuthorization: nonsense-nonsense\r\nContent-Length: 33554432\r\n\r\n"), answer: "401 unauthorized"},
		{name: "a spoofed `X-Forwarded-For` of 500 hops", do: post("Authorization: nonsense-nonsense\r\nX-Forwarded-For: " + strings.Repeat("203.0.113.7, unknown, [2001:db8::1]:80, ", 125) + "\r\nForwarded: for=_hidden;host=x\r\n"), answer: "401 unauthorized"},
	}
}

// paths are about what is there.
func paths() []attempt {
	at := func(path string) func(*visit) {
		return raw("POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: TOKEN\r\nContent-Length: 0\r\n\r\n")
	}
	method := func(m string) func(*visit) {
		return raw(m + " PATH HTTP/1.1\r\nHost: x\r\nAuthorization: TOKEN\r\nX-HTTP-Method-Override: POST\r\nContent-Length: 0\r\n\r\n")
	}
	return []attempt{
		{name: "an endpoint that does not exist", do: at("/v1/endpoints/nobody"), answer: "404 unknown_endpoint"},
		{name: "two slashes in front", do: at("/PATH"), answer: "404 not_found"},
		{name: "`/./` and `/../` in the path", do: at("/v1/./x/../endpoints/nobody"), answer: "404 not_found"},
		{name: "`..` as the endpoint", do: at("/v1/endpoints/.."), answer: "404 unknown_endpoint"},
		{name: "`%2e%2e%2f` as the endpoint", do: at("/v1/endpoints/%2e%2e%2fetc%2fpasswd"), answer: "404 unknown_endpoint"},
		{name: "`%00`, `%0d%0a` and `*` in the endpoint", do: at("/v1/endpoints/%00%0d%0aX:%20y*%3e"), answer: "404 unknown_endpoint"},
		{name: "an encoded letter in the path", do: at("/%761/endpoints/nobody"), answer: "404 not_found"},
		{name: "a slash at the end", do: at("PATH/"), answer: "404 not_found"},
		{name: "a path of 12 KB", do: at("/v1/endpoints/" + strings.Repeat("a", 12<<10)), answer: "404 unknown_endpoint"},
		{name: "a path with ANSI escapes and a forged log line", do: at("/%1b[31mMARK%0a{\"level\":\"ERROR\"}"), answer: "404 not_found"},
		{name: "a broken escape in the path", do: at("/v1/endpoints/%zz"), answer: "400"},
		{name: "a space in the path", do: at("/v1/endpoints/a b"), answer: "400"},
		{name: "the health and metrics pages", do: at("/metrics"), answer: "404 not_found"},
		{name: "`OPTIONS *`", do: raw("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), answer: "404 not_found"},
		{name: "`CONNECT` to another host", do: raw("CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n"), answer: "404 not_found"},
		{name: "an absolute address of another host: the host is not looked at", do: raw("POST http://elsewhere.examplePATH HTTP/1.1\r\nHost: sluice.example\r\nAuthorization: TOKEN\r\nContent-Length: 0\r\n\r\n"), answer: "200 accepted"},
		{name: "`GET`", do: method("GET"), answer: "405 method_not_allowed"},
		{name: "`PUT` with a method override", do: method("PUT"), answer: "405 method_not_allowed"},
		{name: "`post` in small letters", do: method("post"), answer: "405 method_not_allowed"},
		{name: "`TRACE`: nothing is echoed", do: method("TRACE"), answer: "405 method_not_allowed"},
		{name: "a method of 12 KB", do: method(strings.Repeat("M", 12<<10)), answer: "405 method_not_allowed"},
		{name: "a method with a control character", do: method("PO\x01ST"), answer: "400"},
	}
}

// heads are about the form of a request.
func heads() []attempt {
	many := func(n int) string {
		var lines strings.Builder
		for i := range n {
			fmt.Fprintf(&lines, "X-%d: y\r\n", i)
		}
		return lines.String()
	}
	return []attempt{
		{name: "a header of 1 MB", do: raw(empty("X: " + strings.Repeat("x", 1<<20) + "\r\n")), answer: "431"},
		{name: "10,000 headers", do: raw(empty(many(10_000))), answer: "431"},
		{name: "500 small headers", do: raw(empty(many(500))), answer: "200 accepted"},
		{name: "a NUL in a header", do: raw(empty("X: a\x00b\r\n")), answer: "400"},
		{name: "a CR in a header", do: raw(empty("X: a\rb\r\n")), answer: "400"},
		{name: "a header name with a space", do: raw(empty("X y: z\r\n")), answer: "400"},
		{name: "a space before the colon", do: raw(empty("Content-Encoding : gzip\r\n")), answer: "400"},
		{name: "a header without a name", do: raw(empty(": y\r\n")), answer: "400"},
		{name: "a header line without a colon", do: raw(empty("nonsense\r\n")), answer: "400"},
		{name: "no `Host`", do: raw("POST PATH HTTP/1.1\r\nAuthorization: TOKEN\r\nContent-Length: 0\r\n\r\n"), answer: "400"},
		{name: "two `Host` headers", do: raw(empty("Host: y\r\n")), answer: "400"},
		{name: "a `Host` with a path and a quote", do: raw("POST PATH HTTP/1.1\r\nHost: a/'b\r\nAuthorization: TOKEN\r\nContent-Length: 0\r\n\r\n"), answer: "400"},
		{name: "line ends without CR", do: raw("POST PATH HTTP/1.1\nHost: x\nAuthorization: TOKEN\nContent-Length: 0\n\n"), answer: "200 accepted"},
		{name: "HTTP/1.0, which some proxies speak", do: raw("POST PATH HTTP/1.0\r\nAuthorization: TOKEN\r\nContent-Length: 0\r\n\r\n"), answer: "200 accepted"},
		{name: "HTTP/0.9", do: raw("GET PATH\r\n"), answer: "400"},
		{name: "HTTP/9.9", do: raw("POST PATH HTTP/9.9\r\nHost: x\r\n\r\n"), answer: "505"},
		{name: "the preface of HTTP/2", do: raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), answer: "404 not_found"},
		{name: "`Upgrade: h2c`: the offer is not taken", do: raw(empty("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n")), answer: "200 accepted"},
		{name: "a TLS hello on the plain port", do: raw("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 506)), answer: "400"},
		{name: "64 KB of random-looking bytes", do: raw(strings.Repeat("\x80\x7f\x01\xfe", 16<<10)), answer: "431"},
		{name: "empty lines and then a request", do: raw("\r\n\r\n" + empty("")), answer: "400"},
		{name: "a connection that says nothing and leaves", do: ended(""), answer: "closed"},
		{name: "a head that stops in the middle", do: ended("POST PATH HTTP/1.1\r\nHost: x\r\nAuthor"), answer: "400"},
		{name: "a head of one byte per second", do: drip("POST PATH HTTP/1.1\r\nX: ", "y"), answer: "closed", slow: true},
		{name: "a connection that says nothing and stays", do: raw(""), answer: "closed", slow: true},
	}
}

// framings are about where a body ends.
func framings() []attempt {
	chunked := head("Transfer-Encoding: chunked\r\n\r\n")
	const smuggled = "GET PATH HTTP/1.1\r\nHost: x\r\n\r\n" // would be answered 405
	return []attempt{
		{name: "`Content-Length` and `Transfer-Encoding`, with a second request hidden behind: the chunks count, and the connection ends", do: raw(head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")+smuggled, 2), answer: "200 accepted"},
		{name: "two `Content-Length` that differ", do: raw(head("Content-Length: 0\r\nContent-Length: 5\r\n\r\n") + "hello"), answer: "400"},
		{name: "`Content-Length: +5`", do: raw(head("Content-Length: +5\r\n\r\nhello")), answer: "400"},
		{name: "`Content-Length: -1`", do: raw(head("Content-Length: -1\r\n\r\n")), answer: "400"},
		{name: "`Content-Length: 5, 5`", do: raw(head("Content-Length: 5, 5\r\n\r\nhello")), answer: "400"},
		{name: "`Content-Length` of 2^64", do: raw(head("Content-Length: 18446744073709551616\r\n\r\nhello")), answer: "400"},
		{name: "`Content-Length` of 2^62", do: raw(head("Content-Length: 4611686018427387904\r\n\r\nhello")), answer: "413 too_large"},
		{name: "`Transfer-Encoding: xchunked`", do: raw(head("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")), answer: "501"},
		{name: "`Transfer-Encoding: gzip, chunked`", do: raw(head("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")), answer: "501"},
		{name: "`Transfer-Encoding` twice", do: raw(head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")), answer: "501"},
		{name: "`Transfer-Encoding :` with a space", do: raw(head("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n")), answer: "400"},
		{name: "a chunk length that is no number", do: raw(chunked + "xyz\r\nhello\r\n0\r\n\r\n"), answer: "400 truncated"},
		{name: "a chunk length of 2^68", do: raw(chunked + "100000000000000000\r\nhello\r\n0\r\n\r\n"), answer: "400 truncated"},
		{name: "a chunk length below zero", do: raw(chunked + "-5\r\nhello\r\n0\r\n\r\n"), answer: "400 truncated"},
		{name: "a chunk extension of 64 KB", do: raw(chunked + "5;x=" + strings.Repeat("y", 64<<10) + "\r\nhello\r\n0\r\n\r\n"), answer: "400 truncated"},
		{name: "a chunk that is longer than it says", do: raw(chunked + "2\r\nhello\r\n0\r\n\r\n"), answer: "400 truncated"},
		{name: "the last chunk is missing", do: ended(chunked + "5\r\nhello\r\n"), answer: "400 truncated"},
		{name: "20,000 chunks of one byte", do: func(v *visit) {
			event := v.fill(`{"log_id":"ID1","data":{"type":"s","date":"NOW","note":"` + strings.Repeat("x", 20_000) + `"}}`)
			var all strings.Builder
			for i := range len(event) {
				all.WriteString("1\r\n" + event[i:i+1] + "\r\n")
			}
			raw(chunked + all.String() + "0\r\n\r\n")(v)
		}, answer: "200 accepted", becomes: "1 document"},
		{name: "a body that is shorter than announced", do: ended(head("Content-Length: 100\r\n\r\n{\"log_id\":")), answer: "400 truncated"},
		{name: "a body that is shorter than announced, and silence", do: raw(head("Content-Length: 100\r\n\r\n{\"log_id\":")), answer: "400 truncated", slow: true},
		{name: "a body of one byte per second", do: drip(head("Content-Length: 100000\r\n\r\n"), "x"), answer: "400 truncated", slow: true},
		{name: "chunks of one byte per second", do: drip(chunked, "1\r\nx\r\n"), answer: "400 truncated", slow: true},
		{name: "a body that is longer than announced: the rest is no request", do: raw(head("Content-Length: 2\r\n\r\n[]MARK MARK\r\n\r\n"), 2), answer: "200 accepted, 400"},
		{name: "a sender that is gone before the answer: what arrived whole is stored", do: func(v *visit) {
			event := v.fill(`{"log_id":"ID1","data":{"type":"s","date":"NOW"}}`)
			conn, ok := v.dial()
			if !ok {
				return
			}
			_, v.err = io.WriteString(conn, v.fill(head(fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(event), event))))
			_ = conn.Close()
			v.saw("no one to answer")
		}, answer: "no one to answer", becomes: "1 document"},
		{name: "200 requests in one go on one connection", do: pipelined(200), answer: "200 accepted", becomes: "1 document"},
		{name: "the same delivery 50 times at once", do: func(v *visit) {
			event := v.fill(`{"log_id":"ID1","data":{"type":"s","date":"NOW"}}`)
			parallel(v, 50, func(own *visit) { own.post(strings.NewReader(event)) })
		}, answer: "200 accepted", becomes: "1 document"},
	}
}

// drip sends begin and then more, again and again, until the other end has had enough.
func drip(begin, more string) func(*visit) {
	return func(v *visit) {
		conn, ok := v.dial()
		if !ok {
			return
		}
		defer func() { _ = conn.Close() }()
		_, v.err = io.WriteString(conn, v.fill(begin))
		done := make(chan struct{})
		var writer sync.WaitGroup
		writer.Go(func() {
			tick := time.NewTicker(500 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					if _, err := io.WriteString(conn, more); err != nil {
						return
					}
				}
			}
		})
		hears(v, conn, 1)
		close(done)
		writer.Wait()
	}
}

// pipelined sends one event n times on one connection without waiting for an answer.
func pipelined(n int) func(*visit) {
	return func(v *visit) {
		event := v.fill(`{"log_id":"ID1","data":{"type":"s","date":"NOW"}}`)
		one := v.fill(head(fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(event), event)))
		conn, ok := v.dial()
		if !ok {
			return
		}
		defer func() { _ = conn.Close() }()
		var writer sync.WaitGroup
		writer.Go(func() { _, _ = io.WriteString(conn, strings.Repeat(one, n)) })
		hears(v, conn, n)
		writer.Wait()
	}
}

// parallel does the same n times at once and gathers what each saw.
func parallel(v *visit, n int, do func(*visit)) {
	all := make([]*visit, n)
	var crowd sync.WaitGroup
	for i := range all {
		all[i] = &visit{rig: v.rig, from: v.from, mark: v.mark, ids: map[string]bool{}, events: map[string]bool{}}
		crowd.Go(func() { do(all[i]) })
	}
	crowd.Wait()
	for _, own := range all {
		for _, answer := range own.answers {
			v.saw(answer)
		}
		for id := range own.ids {
			v.ids[id] = true
		}
		for id := range own.events {
			v.events[id] = true
		}
		if own.err != nil {
			v.err = own.err
		}
	}
}
