//! What servers are told of clients, what is passed on, and what becomes of servers that fail.

pub(super) const TABLE: &str = r#"
@ plain
GET / => 200 | sent X-Forwarded-For: 127.0.0.1 | sent X-Real-Ip: 127.0.0.1 | sent X-Forwarded-Proto: http | sent X-Forwarded-Host: {id}.test | sent X-Forwarded-Port: 80
GET / | Host: {id}.test:8080 => 200 | sent X-Forwarded-Host: {id}.test:8080 | sent X-Forwarded-Port: 8080 | sent Host: {id}.test:8080
GET / | X-Forwarded-For: 9.9.9.9 => 200 | sent X-Forwarded-For: 127.0.0.1
GET / | X-Forwarded-For: 9.9.9.9 | X-Forwarded-For: 8.8.8.8 => 200 | sent X-Forwarded-For: 127.0.0.1
GET / | X_Forwarded_For: 9.9.9.9 => 200 | sent !X_Forwarded_For
GET / | X-Forwarded_For: 9.9.9.9 => 200 | sent !X-Forwarded_For
GET / | X-Real-Ip: 9.9.9.9 => 200 | sent X-Real-Ip: 127.0.0.1
GET / | X-Forwarded-Proto: https => 200 | sent X-Forwarded-Proto: http
GET / | X-Forwarded-Host: forged => 200 | sent X-Forwarded-Host: {id}.test
GET / | X-Forwarded-Port: 1 => 200 | sent X-Forwarded-Port: 80
GET / | X-Forwarded-Prefix: /forged => 200 | sent !X-Forwarded-Prefix
GET / | X-Forwarded-Uri: /forged => 200 | sent !X-Forwarded-Uri
GET / | X-Forwarded-Method: POST => 200 | sent !X-Forwarded-Method
GET / | X-Forwarded-Scheme: https => 200 | sent !X-Forwarded-Scheme
GET / | X-Scheme: https => 200 | sent !X-Scheme
GET / | X-Forwarded-Tls-Client-Cert: forged => 200 | sent !X-Forwarded-Tls-Client-Cert
GET / | X-Forwarded-Tls-Client-Cert-Info: forged => 200 | sent !X-Forwarded-Tls-Client-Cert-Info
GET / | Forwarded: for=1.2.3.4 => 200 | sent Forwarded: for=1.2.3.4
GET / | Connection: X-Hop, close | X-Hop: 1 => 200 | sent !X-Hop
GET / | Connection: X-Forwarded-For, close => 200 | sent X-Forwarded-For: 127.0.0.1
GET / | Connection: X-Real-Ip, close => 200 | sent X-Real-Ip: 127.0.0.1
GET / | Keep-Alive: timeout=5 => 200 | sent !Keep-Alive
GET / | Proxy-Connection: keep-alive => 200 | sent !Proxy-Connection
GET / | Proxy-Authorization: Basic YTpi => 200 | sent !Proxy-Authorization
GET / | Proxy-Authenticate: x => 200 | sent !Proxy-Authenticate
GET / | Te: gzip => 200 | sent !Te
GET / | Te: trailers => 200 | sent Te: trailers
GET / | Trailer: X-End => 200 | sent !Trailer
GET / => 200 | sent !User-Agent | sent !Accept-Encoding | has !Server | has !Via
GET / | User-Agent: me => 200 | sent User-Agent: me
GET / | Accept-Encoding: br => 200 | sent Accept-Encoding: br
GET / | Cookie: a=b; c=d => 200 | sent Cookie: a=b; c=d
GET / | Authorization: Bearer x => 200 | sent Authorization: Bearer x
GET / | X-Empty: => 200 | sent X-Empty:
GET / | X-Many: a | X-Many: b => 200 | sent X-Many: a, b
GET / | Range: bytes=0-1 => 200 | sent Range: bytes=0-1
GET / | If-None-Match: "x" => 200 | sent If-None-Match: "x"
POST / | body: hello => 200 | sent Content-Length: 5 | sent !Transfer-Encoding
PUT / | Content-Type: text/x | body: hello => 200 | sent Content-Type: text/x
DELETE / => 200 | sent !Transfer-Encoding
GET /log?x=1 => 200 | log RouterName={id}@docker | log ServiceName={id}@docker | log RequestMethod=GET | log RequestPath=/log?x=1 | log DownstreamStatus=200 | log OriginStatus=200 | log RequestHost={id}.test | log entryPointName=web | log RequestProtocol=HTTP/1.1 | log RequestScheme=http | log ClientHost=127.0.0.1
@ service passhostheader=false
GET / => 200 | sent Host: 127.0.0.1:{port} | sent X-Forwarded-Host: {id}.test
@ service passhostheader=true
GET / => 200 | sent Host: {id}.test
@ service server.url={url:echo}/base
GET /x => 200 | sent /x
@ service server.url={url:echo}/base
+ service server.preservepath=true
GET /x => 200 | sent /base/x
@ service server.url={url:other}
GET /x => 200 | has X-Upstream: other
@ service server.scheme=http
GET / => 200
@ service responseforwarding.flushinterval=-1
GET / => 200
@ plain
+ server fields
GET / => 200 | has Server: old | has X-Powered-By: cogs | has Set-Cookie: a=1, b=2 | has !X-Hop | has !Keep-Alive | has !Proxy-Authenticate | text fields
@ plain
+ server moved
GET / => 302 | has Location: http://elsewhere.test/x
@ plain
+ server empty
GET / => 204 | has X-From: server | bytes 0
@ plain
+ server notfound
GET / => 404 | has X-From: server | text nothing | log OriginStatus=404
HEAD / => 404 | bytes 0
@ plain
+ server teapot
GET / => 418 | text teapot
@ plain
+ server broken
GET / => 500 | text broken | log DownstreamStatus=500
@ plain
+ server unavailable
GET / => 503 | text unavailable
@ plain
+ server html
GET / => 200 | has ETag: "a" | bytes 3000 | log DownstreamContentSize=3000
@ plain
+ server chunks
GET / => 200 | text abcde
@ plain
+ server closes
POST / | body: x => 502 | text Bad Gateway | has !Content-Type | log DownstreamStatus=502
@ plain
+ server garbage
GET / => 500 | text Internal Server Error
@ label traefik.enable=false
GET / => 404 | text 404 page not found | has Content-Type: text/plain; charset=utf-8 | has X-Content-Type-Options: nosniff | unsent | log DownstreamStatus=404
@ router observability.accesslogs=false
GET / => 200 | log -
@ router observability.metrics=false
+ router observability.tracing=false
GET / => 200 | log RouterName={id}@docker
"#;
