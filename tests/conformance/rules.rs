//! The rule language: what each rule takes, what it leaves, and what is no rule.

pub(super) const TABLE: &str = r#"
@ rule Host("Example.COM")
GET / | Host: example.com => 200 | sent Host: example.com
GET / | Host: example.com:8080 => 200 | sent Host: example.com:8080
GET / | Host: EXAMPLE.com => 200
GET / | Host: example.com. => 200
GET / | Host: www.example.com => 404 | unsent
GET / | Host: example.com.org => 404
GET / | Host: example.co => 404
GET http://example.com/ | Host: example.com => 200
@ rule Host(`example.com.`)
GET / | Host: example.com => 200
GET / | Host: example.com. => 200
GET / | Host: example.com.org => 404
@ rule Host("*.example.com")
GET / | Host: a.example.com => 200
GET / | Host: A.EXAMPLE.COM:81 => 200
GET / | Host: a.b.example.com => 404
GET / | Host: example.com => 404
GET / | Host: aexample.com => 404
@ rule Host("*")
GET / | Host: whatever.test => 200
GET / | Host: 127.0.0.1:80 => 200
@ rule Host(`127.0.0.1`)
GET / | Host: 127.0.0.1:8080 => 200
GET / | Host: 127.0.0.2 => 404
@ rule Host(`::1`)
GET / | Host: [::1]:8080 => 200
GET / | Host: [::1] => 200
GET / | Host: [::2] => 404
@ rule Host(`xn--mnchen-3ya.test`)
GET / | Host: xn--mnchen-3ya.test => 200
GET / | Host: XN--MNCHEN-3YA.test => 200
GET / | Host: munchen.test => 404
@ rule HostRegexp(`^[a-z]+\.example\.com$`)
GET / | Host: abc.example.com => 200
GET / | Host: ABC.example.com:99 => 200
GET / | Host: a1.example.com => 404
GET / | Host: a.b.example.com => 404
@ rule HostRegexp(`ample`)
GET / | Host: example.com => 200
GET / | Host: sample.org => 200
GET / | Host: simple.org => 404
@ rule HostRegexp(`(?i)^SHOP\.`)
GET / | Host: shop.example.com => 200
GET / | Host: ashop.example.com => 404
@ rule Path("/a")
GET /a => 200 | sent /a
GET /a?b=c => 200 | sent /a?b=c
GET /a/ => 404
GET /a/b => 404
GET /A => 404
GET /%61 => 200 | sent /a
GET //a => 200 | sent /a
GET /x/../a => 200 | sent /a
GET /./a => 200 | sent /a
@ rule Path("/a b")
GET /a%20b => 200 | sent /a%20b
GET /a+b => 404
@ rule Path("/a%2Fb")
GET /a%2Fb => 200 | sent /a%2Fb
GET /a%2fb => 200 | sent /a%2Fb
GET /a/b => 404
@ rule Path(`/`)
GET / => 200
GET /? => 200
GET // => 200
GET /x => 404
@ rule PathPrefix("/api")
GET /api => 200
GET /api/ => 200
GET /api/v1?x=y => 200 | sent /api/v1?x=y
GET /apix => 200
GET /ap => 404
GET /API => 404
GET /x/api => 404
GET /x/../api => 200 | sent /api
GET /x/%2e%2e/api => 200 | sent /api
GET /api/../x => 404
@ rule PathPrefix("/foo/bar")
GET /foo%2Fbar => 404
GET /foo/bar => 200
GET /foo//bar => 200 | sent /foo/bar
GET /%66oo/bar => 200 | sent /foo/bar
@ rule PathPrefix(`/caf%C3%A9`)
GET /caf%C3%A9 => 404
@ rule PathPrefix(`/café`)
GET /caf%C3%A9 => 200 | sent /caf%C3%A9
GET /caf%c3%a9/x => 200 | sent /caf%C3%A9/x
GET /cafe => 404
@ rule PathRegexp(`\.(jpg|png)$`)
GET /a.jpg => 200
GET /x/y.png?z => 200
GET /a.JPG => 404
GET /a.jpg/b => 404
@ rule PathRegexp(`^/[0-9]{3}$`)
GET /123 => 200
GET /1234 => 404
GET /abc => 404
@ rule PathRegexp(`(?i)/ABC`)
GET /x/abc => 200
GET /x/ab => 404
@ rule Method("get")
GET / => 200
POST / | body: x => 404
HEAD / => 404
@ rule Method(`POST`)
POST / | body: x => 200
GET / => 404
post / | body: x => 404
@ rule Method(`PROPFIND`) || Method(`DELETE`)
PROPFIND / => 200
DELETE / => 200
PUT / | body: => 404
@ rule Header(`X-Kind`, `a`)
GET / | X-Kind: a => 200
GET / | x-kind: a => 200
GET / | X-Kind: b | X-Kind: a => 200
GET / | X-Kind: A => 404
GET / | X-Kind: a, b => 404
GET / => 404
@ rule Header(`x-kind`, `a b`)
GET / | X-KIND: a b => 200
GET / | X-Kind: a  b => 404
@ rule Header(`Host`, `example.com`)
GET / | Host: example.com => 404
@ rule HeaderRegexp(`X-Kind`, `^a+$`)
GET / | X-Kind: aaa => 200
GET / | X-Kind: b | X-Kind: aa => 200
GET / | X-Kind: ab => 404
GET / => 404
@ rule HeaderRegexp(`Content-Type`, `json`)
POST / | Content-Type: application/vnd.x+json | body: {} => 200
POST / | Content-Type: text/plain | body: {} => 404
@ rule Query("q")
GET /?q => 200
GET /?q= => 200
GET /?q=1 => 404
GET /?p => 404
GET /?x=1&q => 200
@ rule Query(`q`, `1`)
GET /?q=1 => 200
GET /?q=0&q=1 => 200
GET /?q=%31 => 200
GET /?%71=1 => 200
GET /?q=11 => 404
GET /?q => 404
GET / => 404
@ rule Query(`q`, `a b`)
GET /?q=a+b => 200
GET /?q=a%20b => 200
GET /?q=ab => 404
@ rule QueryRegexp(`q`, `^[0-9]+$`)
GET /?q=12 => 200
GET /?q=x&q=12 => 200
GET /?q=1x => 404
GET /?q= => 404
@ rule Query(`a`, `1`) && Query(`b`, `2`)
GET /?a=1&b=2 => 200
GET /?b=2;a=1 => 200
GET /?a=1 => 404
@ rule ClientIP(`127.0.0.1`)
GET / => 200
GET / | X-Forwarded-For: 10.0.0.1 => 200
@ rule ClientIP(`127.0.0.0/8`)
GET / => 200
@ rule ClientIP(`10.0.0.0/8`)
GET / => 404
GET / | X-Forwarded-For: 10.0.0.1 | X-Real-Ip: 10.0.0.1 => 404
@ rule ClientIP(`::1`)
GET / => 404
@ rule !Host("a") && PathPrefix("/")
GET / | Host: b => 200
GET / | Host: a => 404
@ rule Host("a") || Host("b") && Path("/x")
GET /any | Host: a => 200
GET /x | Host: b => 200
GET /y | Host: b => 404
@ rule (Host("a") || Host("b")) && Path("/x")
GET /any | Host: a => 404
GET /x | Host: a => 200
GET /x | Host: b => 200
@ rule !(Host(`a`) || Path(`/x`))
GET / | Host: b => 200
GET /x | Host: b => 404
GET / | Host: a => 404
@ rule !!Path(`/x`)
GET /x => 200
GET /y => 404
@ rule !Path(`/x`) || Path(`/x`) && Method(`POST`)
GET /x => 404
POST /x | body: 1 => 200
GET /y => 200
@ rule ((((Path(`/x`)))))
GET /x => 200
GET /y => 404
@ rule   Path( `/x` )  &&  Method( "GET" )
GET /x => 200
@ rule PATHPREFIX(`/x`)
GET /xy => 200
@ rule pathprefix(`/x`)
GET /xy => 200
@ rule Pathprefix(`/x`)
GET /xy => 200
@ rule HOST(`upper.test`) && method(`GET`) && QUERY(`a`)
GET /?a | Host: upper.test => 200
GET / | Host: upper.test => 404
@ rule Path("/a\x62")
GET /ab => 200
@ rule Path("/a\"b")
GET /a%22b => 200
@ rule Header(`X-Kind`, "a`b")
GET / | X-Kind: a`b => 200
@ rule Host('a')
+ tells SW0201
GET / | Host: a => 404 | unsent
@ rule hOst("a")
+ tells SW0201
GET / | Host: a => 404 | unsent
@ rule Query("q","")
+ tells SW0201
GET /?q => 404
@ rule Host(`a`, `b`)
+ tells SW0201
GET / | Host: a => 404
@ rule Host()
+ tells SW0201
GET / => 404
@ rule Host(``)
+ tells SW0201
GET / => 404
@ rule Hosts(`a`)
+ tells SW0201
GET / | Host: a => 404
@ rule Path(`a`)
+ tells SW0201
GET /a => 404
@ rule PathPrefix(`api`)
+ tells SW0201
GET /api => 404
@ rule PathRegexp(`(`)
+ tells SW0201
GET /( => 404
@ rule HostRegexp(`(?=a)`)
+ tells SW0201
GET / | Host: a => 404
@ rule HostRegexp(`(a)\1`)
+ tells SW0201
GET / | Host: aa => 404
@ rule HostRegexp(`é`)
+ tells SW0201
GET / => 404
@ rule Host(`münchen.test`)
+ tells SW0201
GET / => 404
@ rule ClientIP(`10.0.0.0/33`)
+ tells SW0201
GET / => 404
@ rule ClientIP(`localhost`)
+ tells SW0201
GET / => 404
@ rule ClientIP(`10.0.0.1`, `10.0.0.2`)
+ tells SW0201
GET / => 404
@ rule Header(`X-Kind`)
+ tells SW0201
GET / | X-Kind: a => 404
@ rule Header(`X-Kind`, `a`, `b`)
+ tells SW0201
GET / | X-Kind: a => 404
@ rule HeaderRegexp(`X-Kind`, `[`)
+ tells SW0201
GET / | X-Kind: [ => 404
@ rule Headers(`X-Kind`, `a`)
+ tells SW0201
GET / | X-Kind: a => 404
@ rule HostHeader(`a`)
+ tells SW0201
GET / | Host: a => 404
@ rule Method(`GET`, `POST`)
+ tells SW0201
GET / => 404
@ rule Query(`a=b`, `c=d`, `e=f`)
+ tells SW0201
GET /?a=b => 404
@ rule HostSNI(`*`)
+ tells SW0201
GET / => 404
@ rule Path(`/x`
+ tells SW0201
GET /x => 404
@ rule Path(`/x`))
+ tells SW0201
GET /x => 404
@ rule Path(`/x`) &&
+ tells SW0201
GET /x => 404
@ rule Path(`/x`) & Method(`GET`)
+ tells SW0201
GET /x => 404
@ rule Path(`/x`) and Method(`GET`)
+ tells SW0201
GET /x => 404
@ rule Path(`/x`) Method(`GET`)
+ tells SW0201
GET /x => 404
@ rule Path(8080)
+ tells SW0201
GET /8080 => 404
@ rule Path(Host(`a`))
+ tells SW0201
GET /a => 404
@ rule Path(`/x)
+ tells SW0201
GET /x => 404
@ rule Path("/x\q")
+ tells SW0201
GET /x => 404
@ rule true
+ tells SW0201
GET / => 404
@ rule PathPrefix(`/`), Method(`GET`)
+ tells SW0201
GET / => 404
"#;
