//! Paths and what stands before routing: one canonical form, which is what rules see and servers get.

pub(super) const TABLE: &str = r#"
@ plain
GET / => 200 | sent /
GET /a/b/c => 200 | sent /a/b/c
GET /a/b/ => 200 | sent /a/b/
GET //a///b => 200 | sent /a/b
GET /a/./b => 200 | sent /a/b
GET /a/../b => 200 | sent /b
GET /a/b/.. => 200 | sent /a/
GET /../../a => 200 | sent /a
GET /a/%2e%2e/b => 200 | sent /b
GET /a/%2E/b => 200 | sent /a/b
GET /%41%42 => 200 | sent /AB
GET /a%2fb => 200 | sent /a%2Fb
GET /a%5cb => 200 | sent /a%5Cb
GET /%7euser => 200 | sent /~user
GET /a%20b => 200 | sent /a%20b
GET /a;b => 200 | sent /a;b
GET /a:b@c!d$e&f'g(h)*+,= => 200 | sent /a:b@c!d$e&f'g(h)*+,=
GET /%zz => 400 | unsent
GET /% => 400 | unsent
GET /a%4 => 400 | unsent
GET /a?b=c => 200 | sent /a?b=c
GET /a?b=%zz => 200 | sent /a?b=%zz
GET /a?b=1;c=2 => 200 | sent /a?b=1&c=2
GET /a?b//c/../d => 200 | sent /a?b//c/../d
GET /a?b=c?d => 200 | sent /a?b=c?d
GET /a%3Fb => 200 | sent /a%3Fb
GET /a%23b => 200 | sent /a%23b
GET /a%25b => 200 | sent /a%25b
GET http://{id}.test/abs?x=y => 200 | sent /abs?x=y
CONNECT {id}.test:80 => 501 | unsent
GET / | Host: => 400 | unsent
GET / | Host: a b => 400 | unsent
GET / | Host: a/b => 400 | unsent
GET / | Host: a@b => 400 | unsent
GET / | Host: {id}.test | Host: {id}.test => 400 | unsent
GET / | Transfer-Encoding: gzip => 501 | unsent
POST / | Content-Length: 5, 6 => 400 | unsent
POST / | Content-Length: -1 => 400 | unsent
POST / | Content-Length: x => 400 | unsent
OPTIONS / => 200
TRACE / => 405 | unsent
PATCH / | body: x => 200
"#;
