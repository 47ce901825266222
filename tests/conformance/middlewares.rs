//! What each middleware does to requests and responses.

pub(super) const TABLE: &str = r#"
// addPrefix
@ mw addprefix.prefix=/foo
GET /bar => 200 | sent /foo/bar
GET / => 200 | sent /foo/
GET /bar?x=1 => 200 | sent /foo/bar?x=1
GET /a%2Fb => 200 | sent /foo/a%2Fb
@ mw addprefix.prefix=foo
GET /bar => 200 | sent /foo/bar
@ mw AddPrefix.PREFIX=/foo
GET /bar => 200 | sent /foo/bar

// stripPrefix
@ mw stripprefix.prefixes=/api, /v1
GET /api/x => 200 | sent /x | sent X-Forwarded-Prefix: /api
GET /v1/x => 200 | sent /x | sent X-Forwarded-Prefix: /v1
GET /api => 200 | sent / | sent X-Forwarded-Prefix: /api
GET /api/ => 200 | sent /
GET /apix => 200 | sent /x | sent X-Forwarded-Prefix: /api
GET /other => 200 | sent /other | sent !X-Forwarded-Prefix
GET /api/v1/x => 200 | sent /v1/x
GET /api?x=1 => 200 | sent /?x=1
GET /api/a%2Fb => 200 | sent /a%2Fb
GET /api../foo => 400 | unsent
GET /x | X-Forwarded-Prefix: /forged => 200 | sent !X-Forwarded-Prefix
@ mw stripprefix.prefixes=/a,/a/b
GET /a/b/c => 200 | sent /b/c
@ mw stripprefix.prefixes=/a/b,/a
GET /a/b/c => 200 | sent /c

// stripPrefixRegex
@ mw stripprefixregex.regex=/[a-z]+/[0-9]+
GET /abc/12/x => 200 | sent /x | sent X-Forwarded-Prefix: /abc/12
GET /12/x => 200 | sent /12/x | sent !X-Forwarded-Prefix
GET /x/abc/12 => 200 | sent /x/abc/12
GET /abc/12 => 200 | sent /

// replacePath
@ mw replacepath.path=/new
GET /old => 200 | sent /new | sent X-Replaced-Path: /old
GET /old?x=1 => 200 | sent /new?x=1 | sent X-Replaced-Path: /old

// replacePathRegex
@ mw replacepathregex.regex=^/foo/(.*)
+ mw replacepathregex.replacement=/bar/$1
GET /foo/x => 200 | sent /bar/x | sent X-Replaced-Path: /foo/x
GET /foo/x/y?z=1 => 200 | sent /bar/x/y?z=1
GET /other => 200 | sent /other | sent !X-Replaced-Path
GET /foo/a%2Fb => 200 | sent /bar/a%2Fb
@ mw replacepathregex.regex=^/(?P<first>[^/]+)/(?P<second>.*)$
+ mw replacepathregex.replacement=/${second}/${first}
GET /a/b => 200 | sent /b/a
GET /a => 200 | sent /a

// redirectScheme
@ mw redirectscheme.scheme=https
GET /x?y=1 => 302 | has Location: https://{id}.test/x?y=1 | text Found | unsent
POST /x | body: a => 307 | has Location: https://{id}.test/x | unsent
GET /x | Host: {id}.test:8080 => 302 | has Location: https://{id}.test/x
HEAD /x => 307 | has Location: https://{id}.test/x
@ mw redirectscheme.scheme=https
+ mw redirectscheme.permanent=true
GET /x => 301 | has Location: https://{id}.test/x | text Moved Permanently
POST /x | body: a => 308 | has Location: https://{id}.test/x
PUT /x | body: a => 308
@ mw redirectscheme.scheme=https
+ mw redirectscheme.port=8443
GET /x => 302 | has Location: https://{id}.test:8443/x
@ mw redirectscheme.scheme=https
+ mw redirectscheme.port=443
GET /x => 302 | has Location: https://{id}.test/x
@ mw redirectscheme.scheme=http
GET /x => 200 | sent /x

// redirectRegex
@ mw redirectregex.regex=^http://([^/]+)/old/(.*)
+ mw redirectregex.replacement=https://new.test/${1}/$2
GET /old/x?y=1 => 302 | has Location: https://new.test/{id}.test/x?y=1 | unsent
GET /keep => 200 | sent /keep | has !Location
POST /old/x | body: a => 307
@ mw redirectregex.regex=^http://[^/]+/(.*)
+ mw redirectregex.replacement=https://www.test/$1
+ mw redirectregex.permanent=true
GET /a => 301 | has Location: https://www.test/a
POST /a | body: a => 308
@ mw redirectregex.regex=(.*)
+ mw redirectregex.replacement=$1
GET /same => 200 | sent /same

// basicAuth: anna:secret as bcrypt, bob:secret as apr1, carl:secret as SHA-1
@ mw basicauth.users=anna:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW, bob:$apr1$Xy./12$fPIrtl7KlE/xSeGwcFJAE1, carl:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
GET / => 401 | has WWW-Authenticate: Basic realm="traefik" | text 401 Unauthorized | unsent
GET / | Authorization: Basic YW5uYTpzZWNyZXQ= => 200 | sent Authorization: Basic YW5uYTpzZWNyZXQ= | log ClientUsername=anna
GET / | Authorization: Basic Ym9iOnNlY3JldA== => 200 | log ClientUsername=bob
GET / | Authorization: Basic Y2FybDpzZWNyZXQ= => 200 | log ClientUsername=carl
GET / | Authorization: basic YW5uYTpzZWNyZXQ= => 200
GET / | Authorization: Basic YW5uYTpzZWNyZXRz => 401 | unsent
GET / | Authorization: Basic Ym9iOnNlY3JldHM= => 401 | unsent
GET / | Authorization: Basic bm9ib2R5OnNlY3JldA== => 401 | unsent
GET / | Authorization: Basic YW5uYQ== => 401
GET / | Authorization: Basic %%% => 401
GET / | Authorization: Bearer YW5uYTpzZWNyZXQ= => 401
GET / | Authorization: Basic => 401
@ mw basicauth.users=anna:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW
+ mw basicauth.realm=sea
+ mw basicauth.removeheader=true
+ mw basicauth.headerfield=X-Who
GET / => 401 | has WWW-Authenticate: Basic realm="sea"
GET / | Authorization: Basic YW5uYTpzZWNyZXQ= => 200 | sent !Authorization | sent X-Who: anna
GET / | Authorization: Basic YW5uYTpzZWNyZXQ= | X-Who: root => 200 | sent X-Who: anna

// digestAuth
@ mw digestauth.users=anna:traefik:00000000000000000000000000000000
GET / => 401 | unsent
GET / | Authorization: Basic YW5uYTpzZWNyZXQ= => 401 | unsent
GET / | Authorization: Digest username="anna", realm="traefik", nonce="x", uri="/", response="0" => 401 | unsent

// ipAllowList and its former name
@ mw ipallowlist.sourcerange=127.0.0.1
GET / => 200
@ mw ipallowlist.sourcerange=10.0.0.0/8, 127.0.0.0/8
GET / => 200
GET / | X-Forwarded-For: 9.9.9.9 => 200
@ mw ipallowlist.sourcerange=10.0.0.0/8
GET / => 403 | text Forbidden | unsent
GET / | X-Forwarded-For: 10.0.0.1 => 403 | unsent
@ mw ipallowlist.sourcerange=10.0.0.0/8
+ mw ipallowlist.rejectstatuscode=404
GET / => 404 | text Not Found | unsent
@ mw ipallowlist.sourcerange=::1, fe80::/10
GET / => 403 | unsent
@ mw ipallowlist.sourcerange=127.0.0.0/8
+ mw ipallowlist.ipstrategy.depth=1
GET / => 403 | unsent
@ mw ipwhitelist.sourcerange=127.0.0.1/32
GET / => 200
@ mw ipwhitelist.sourcerange=192.168.1.7
GET / => 403 | text Forbidden | unsent

// inFlightReq, rateLimit
@ mw inflightreq.amount=1
GET / => 200
GET / => 200
@ mw ratelimit.average=1
+ mw ratelimit.period=1h
+ mw ratelimit.burst=2
GET / => 200
GET / => 200
GET / => 429 | text Too Many Requests | has Retry-After: 3600 | unsent
@ mw ratelimit.average=1
+ mw ratelimit.period=1h
+ mw ratelimit.sourcecriterion.requestheadername=X-Key
GET / | X-Key: a => 200
GET / | X-Key: b => 200
GET / | X-Key: a => 429 | unsent
GET / | X-Key: b => 429 | unsent
@ mw ratelimit.average=0
GET / => 200
GET / => 200

// forwardAuth
@ mw forwardauth.address={url:welcomes}/verify
+ mw forwardauth.authresponseheaders=X-User, X-Group
GET /x => 200 | sent X-User: anna | sent X-Group: crew | sent !X-Other
GET /x | X-User: forged | X-Other: mine => 200 | sent X-User: anna | sent X-Other: mine
@ mw forwardauth.address={url:welcomes}
+ mw forwardauth.authresponseheadersregex=^X-(User|Other)$
GET /x | X-Group: mine => 200 | sent X-User: anna | sent X-Other: 1 | sent X-Group: mine
@ mw forwardauth.address={url:welcomes}
GET /x => 200 | sent !X-User | has !Set-Cookie
@ mw forwardauth.address={url:welcomes}
+ mw forwardauth.addauthcookiestoresponse=seen
GET /x => 200 | has Set-Cookie: seen=1; Path=/
@ mw forwardauth.address={url:welcomes}
+ mw forwardauth.headerfield=X-User
GET /x => 200 | log ClientUsername=anna
@ mw forwardauth.address={url:forbids}
GET /x => 403 | text not you | has X-Why: closed | has !X-Hop
@ mw forwardauth.address={url:asks}
GET /x => 401 | text who | has WWW-Authenticate: Basic realm="x"
@ mw forwardauth.address={url:asks}
+ mw forwardauth.authsigninurl=https://sso.test/in
GET /x => 302 | has Location: https://sso.test/in
@ mw forwardauth.address={url:sends}
GET /x => 302 | has Location: {url:sends}/login
@ mw forwardauth.address={url:sends}
+ mw forwardauth.preservelocationheader=true
GET /x => 302 | has Location: /login
@ mw forwardauth.address={url:closes}
GET /x => 500 | text
@ mw forwardauth.address={url:forbids}/verify?a=b
GET /x?y=1 => 403 | sent /verify?a=b | sent X-Forwarded-Method: GET | sent X-Forwarded-Uri: /x?y=1 | sent X-Forwarded-Host: {id}.test | sent X-Forwarded-Proto: http
POST /x | body: abc => 403 | sent X-Forwarded-Method: POST | sent !Content-Length | sent X-Forwarded-For: 127.0.0.1
GET /x | Cookie: a=b | X-Thing: 1 => 403 | sent Cookie: a=b | sent X-Thing: 1
GET /x | X-Forwarded-For: 9.9.9.9 | X-Forwarded-Host: forged => 403 | sent X-Forwarded-For: 127.0.0.1 | sent X-Forwarded-Host: {id}.test
@ mw forwardauth.address={url:forbids}
+ mw forwardauth.authrequestheaders=Cookie, X-Row
GET /x | Cookie: a=b | X-Thing: 1 => 403 | sent Cookie: a=b | sent !X-Thing
@ mw forwardauth.address={url:forbids}
+ mw forwardauth.preserverequestmethod=true
+ mw forwardauth.forwardbody=true
+ mw forwardauth.maxbodysize=4
POST /x | body: abc => 403 | sent Content-Length: 3
POST /x | body: abcde => 401 | unsent

// errors
@ mw errors.status=404
+ mw errors.service=other
+ watch other
+ mw errors.query=/{status}.html
+ server notfound
GET /x => 404 | has X-Upstream: other | sent /404.html | has !X-From
@ mw errors.status=500-599
+ mw errors.service=other
+ watch other
+ mw errors.query=/e?code={status}&url={url}
+ server broken
GET /x?y=1 => 500 | sent /e?code=500&url=http%3A%2F%2F{id}.test%2Fx%3Fy%3D1
@ mw errors.status=404,503
+ mw errors.service=other
+ watch other
+ mw errors.query=/{status}
+ server broken
GET /x => 500 | text broken | has X-From: server
@ mw errors.status=500-599
+ mw errors.service=other
+ watch other
+ mw errors.query=/{status}-{originalStatus}
+ mw errors.statusrewrites.500=404
+ server broken
GET /x => 404 | sent /404-500
@ mw errors.status=500-599
+ mw errors.service=other
+ watch other
+ server unavailable
GET /x | X-Thing: 1 => 503 | sent / | sent X-Thing: 1
@ mw errors.status=500-599
+ mw errors.service=other
+ watch other
+ mw errors.errorrequestheaders=X-Row
+ server unavailable
GET /x | X-Thing: 1 => 503 | sent !X-Thing
@ mw errors.status=500-599
+ mw errors.service=other
+ watch other
+ mw errors.query=page
+ server closes
GET /x => 502 | sent /page
@ mw errors.status=500
+ mw errors.service=other
+ watch other
GET /x => 200 | has X-Upstream: echo

// retry
@ mw retry.attempts=2
GET / => 200
@ mw retry.attempts=2
+ mw retry.status=500-599
+ server broken
GET / => 500 | text broken | log RetryAttempts=1
POST / | body: x => 500 | text broken
@ mw retry.attempts=1
+ mw retry.status=500
+ server broken
GET / => 500 | text broken
@ mw retry.attempts=3
+ server unavailable
GET / => 503 | text unavailable

// circuitBreaker closed
@ mw circuitbreaker.expression=NetworkErrorRatio() > 0.5
GET / => 200
@ mw circuitbreaker.expression=LatencyAtQuantileMS(50.0) > 60000 || ResponseCodeRatio(500, 600, 0, 600) > 0.99
GET / => 200

// buffering
@ mw buffering.maxrequestbodybytes=4
POST / | body: abcd => 200 | sent Content-Length: 4
POST / | body: abcde => 413 | text Request Entity Too Large | unsent
GET / => 200
@ mw buffering.maxresponsebodybytes=4
+ server small
GET / => 500 | text Internal Server Error
@ mw buffering.maxresponsebodybytes=100
+ server small
GET / => 200 | text <p>sea</p>
@ mw buffering.maxresponsebodybytes=100
+ server chunks
GET / => 200 | text abcde

// compress
@ mw compress=true
+ server html
GET / | Accept-Encoding: gzip => 200 | has Content-Encoding: gzip | has Vary: Accept-Encoding | has !Content-Length
GET / | Accept-Encoding: br => 200 | has Content-Encoding: br
GET / | Accept-Encoding: zstd => 200 | has Content-Encoding: zstd
GET / | Accept-Encoding: gzip, br, zstd => 200 | has Content-Encoding: gzip
GET / | Accept-Encoding: gzip;q=0.5, br => 200 | has Content-Encoding: br
GET / | Accept-Encoding: gzip;q=0, br;q=0.1 => 200 | has Content-Encoding: br
GET / | Accept-Encoding: * => 200 | has Content-Encoding: gzip
GET / | Accept-Encoding: identity => 200 | has !Content-Encoding | bytes 3000
GET / | Accept-Encoding: deflate => 200 | has !Content-Encoding | bytes 3000
GET / => 200 | has !Content-Encoding | bytes 3000
GET / | Accept-Encoding: gzip | Content-Type: application/grpc => 200 | has !Content-Encoding
@ mw compress.encodings=zstd,br
+ server html
GET / | Accept-Encoding: gzip, br, zstd => 200 | has Content-Encoding: zstd
GET / | Accept-Encoding: gzip => 200 | has !Content-Encoding
@ mw compress.minresponsebodybytes=3001
+ server html
GET / | Accept-Encoding: gzip => 200 | has !Content-Encoding | bytes 3000
@ mw compress.minresponsebodybytes=1
+ server small
GET / | Accept-Encoding: gzip => 200 | has Content-Encoding: gzip
@ mw compress=true
+ server small
GET / | Accept-Encoding: gzip => 200 | has !Content-Encoding | text <p>sea</p>
@ mw compress=true
+ server zipped
GET / | Accept-Encoding: br => 200 | has Content-Encoding: gzip | bytes 3000
@ mw compress.excludedcontenttypes=text/html
+ server html
GET / | Accept-Encoding: gzip => 200 | has !Content-Encoding
@ mw compress.includedcontenttypes=text/plain
+ server html
GET / | Accept-Encoding: gzip => 200 | has !Content-Encoding
@ mw compress.includedcontenttypes=text/html
+ server html
GET / | Accept-Encoding: gzip => 200 | has Content-Encoding: gzip
@ mw compress.includedcontenttypes=text/html
+ server image
GET / | Accept-Encoding: gzip => 200 | has !Content-Encoding
@ mw compress.defaultencoding=br
+ server html
GET / => 200 | has Content-Encoding: br
@ mw compress=false
+ tells SW0402
+ router middlewares=
+ server html
GET / | Accept-Encoding: gzip => 200 | has !Content-Encoding

// contentType
@ mw contenttype=true
+ server untyped
GET / => 200 | has Content-Type: text/html; charset=utf-8
@ plain
+ server untyped
GET / => 200 | has !Content-Type
@ mw contenttype=true
+ server image
GET / => 200 | has Content-Type: image/png

// encodedCharacters
@ mw encodedcharacters.allowencodedslash=true
GET /a%2Fb => 200 | sent /a%2Fb
GET /a%5Cb => 400 | unsent
GET /a%00b => 400 | unsent
GET /a%3Bb => 400 | unsent
GET /a%25b => 400 | unsent
GET /a%3Fb => 400 | unsent
GET /a%23b => 400 | unsent
GET /a%20b => 200
GET /a?x=%2F%5C => 200
@ mw encodedcharacters.allowencodedbackslash=true
+ mw encodedcharacters.allowencodedquestionmark=true
+ mw encodedcharacters.allowencodedhash=true
+ mw encodedcharacters.allowencodedsemicolon=true
+ mw encodedcharacters.allowencodedpercent=true
GET /a%5Cb => 200
GET /a%3Fb => 200
GET /a%23b => 200
GET /a%3Bb => 200
GET /a%25b => 200
GET /a%2Fb => 400 | unsent

// passTLSClientCert
@ mw passtlsclientcert.pem=true
GET / | X-Forwarded-Tls-Client-Cert: forged | X-Forwarded-Tls-Client-Cert-Info: forged => 200 | sent !X-Forwarded-Tls-Client-Cert | sent !X-Forwarded-Tls-Client-Cert-Info

// chain and order
@ label traefik.http.middlewares.{id}a.addprefix.prefix=/a
+ label traefik.http.middlewares.{id}b.addprefix.prefix=/b
+ label traefik.http.middlewares.{id}c.chain.middlewares={id}a, {id}b
+ label traefik.http.middlewares.{id}d.chain.middlewares={id}c,{id}b
+ label traefik.http.routers.{id}.rule=Host(`{id}.test`)
+ label traefik.http.routers.{id}.middlewares={id}a,{id}b
+ label traefik.http.routers.{id}2.rule=Host(`{id}2.test`)
+ label traefik.http.routers.{id}2.middlewares={id}b,{id}a@docker
+ label traefik.http.routers.{id}3.rule=Host(`{id}3.test`)
+ label traefik.http.routers.{id}3.middlewares={id}c
+ label traefik.http.routers.{id}4.rule=Host(`{id}4.test`)
+ label traefik.http.routers.{id}4.middlewares={id}d@docker
GET /x => 200 | sent /b/a/x
GET /x | Host: {id}2.test => 200 | sent /a/b/x
GET /x | Host: {id}3.test => 200 | sent /b/a/x
GET /x | Host: {id}4.test => 200 | sent /b/b/a/x
@ label traefik.http.middlewares.{id}a.addprefix.prefix=/a
+ label traefik.http.middlewares.{id}b.addprefix.prefix=/b
+ label traefik.http.services.{id}.middlewares={id}b
+ label traefik.http.services.{id}.loadbalancer.server.port={port}
+ label traefik.http.routers.{id}.rule=Host(`{id}.test`)
+ label traefik.http.routers.{id}.middlewares={id}a
GET /x => 200 | sent /b/a/x
"#;
