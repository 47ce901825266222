//! From labels to routers and services, their affinity, and what the API says of them.

pub(super) const TABLE: &str = r#"
// Names, links and defaults
@ label traefik.http.services.{id}s.loadbalancer.passhostheader=true
GET / | Host: {id} => 200
API /api/http/routers/{id}@docker => 200 | /service = "{id}s" | /rule = "Host(`{id}`)" | /status = "enabled"
API /api/http/services/{id}s@docker => 200 | /loadBalancer/passHostHeader = true | /loadBalancer/strategy = "wrr" | /loadBalancer/servers/0/url = "{url:echo}" | /type = "loadbalancer" | /provider = "docker" | /status = "enabled" | /name = "{id}s@docker"
@ label traefik.wrong.label=42
GET / | Host: {id} => 200
API /api/http/services/{id}@docker => 200 | /loadBalancer/responseForwarding/flushInterval = "100ms" | /usedBy/0 = "{id}@docker"
@ label com.example.whatever=traefik.http.routers
GET / | Host: {id} => 200
@ label traefik.http.routers.{id}r.rule=Host(`{id}.test`)
+ label traefik.http.services.{id}s.loadbalancer.server.port={port}
GET / => 200 | log ServiceName={id}s@docker | log RouterName={id}r@docker
GET / | Host: {id} => 404
API /api/http/routers/{id}r@docker => 200 | /service = "{id}s" | /priority = 22 | /entryPoints/0 = "web" | /using/0 = "web" | /name = "{id}r@docker" | /provider = "docker" | /error = -
@ label traefik.http.routers.{id}a.rule=Host(`{id}a.test`)
+ label traefik.http.routers.{id}b.rule=Host(`{id}b.test`)
GET / | Host: {id}a.test => 200 | log ServiceName={id}@docker
GET / | Host: {id}b.test => 200 | log ServiceName={id}@docker
@ label traefik.http.routers.{id}.rule=Host(`{id}.test`)
+ label traefik.http.services.{id}a.loadbalancer.server.port={port}
+ label traefik.http.services.{id}b.loadbalancer.server.port={port}
+ tells SW0207
GET / => 503 | unsent
API /api/http/services/{id}a@docker => 200 | /status = "enabled"
API /api/http/services/{id}b@docker => 200
@ label traefik.http.routers.{id}.rule=Host(`{id}.test`)
+ label traefik.http.routers.{id}.service={id}b
+ label traefik.http.services.{id}a.loadbalancer.server.port={port}
+ label traefik.http.services.{id}b.loadbalancer.server.port={port}
GET / => 200 | log ServiceName={id}b@docker
@ router service=Nope
+ tells SW0205
GET / => 503 | unsent
API /api/http/routers/{id}@docker => 200 | /service = "Nope" | /status = "disabled"
API /api/http/services/{id}@docker => 200
@ router service=other@docker
GET / => 200 | has X-Upstream: other | log ServiceName=other@docker
@ router service=other
GET / => 200 | has X-Upstream: other
@ label Traefik.HTTP.Routers.{id}.Rule=Host(`{id}.test`)
+ tells SW0105
GET / => 404
@ label traefik.HTTP.Routers.{id}.RULE=Host(`{id}.test`)
GET / => 200
@ label traefik.http.routers.{id}.rule=Host(`{id}.test`)
+ label traefik.http.routers.{id}.ENTRYPOINTS= web
GET / => 200
@ label seaway.http.routers.{id}.rule=Host(`{id}.test`)
GET / => 200
@ label traefik.http.routers.{id}.rule=Host(`{id}.old`)
+ label seaway.http.routers.{id}.rule=Host(`{id}.test`)
GET / => 200
GET / | Host: {id}.old => 404
@ router entrypoints=web
GET / => 200
@ router entrypoints=web,nowhere
+ tells SW0206
GET / => 200
API /api/http/routers/{id}@docker => 200 | /status = "warning" | /using/0 = "web"
@ router entrypoints=nowhere
+ tells SW0206
GET / => 404
API /api/http/routers/{id}@docker => 200 | /status = "disabled"
@ router entrypoints=traefik
GET / => 404
@ router tls=false
GET / => 200
@ router tls=true
+ tells SW0209
GET / => 503 | unsent
@ router rulesyntax=v3
GET / => 200

// Priority
@ label traefik.http.routers.{id}a.rule=Host(`{id}.test`)
+ label traefik.http.routers.{id}b.rule=Host(`{id}.test`) && PathPrefix(`/b`)
+ label traefik.http.routers.{id}c.rule=Host(`{id}.test`) && Path(`/high`)
+ label traefik.http.routers.{id}c.priority=1
+ label traefik.http.routers.{id}d.rule=Host(`{id}.test`) && PathPrefix(`/b/d`)
+ label traefik.http.routers.{id}d.priority=1000
+ label traefik.http.routers.{id}e.rule=Host(`{id}.test`) && PathPrefix(`/n`)
+ label traefik.http.routers.{id}e.priority=-5
GET / => 200 | log RouterName={id}a@docker
GET /b => 200 | log RouterName={id}b@docker
GET /high => 200 | log RouterName={id}a@docker
GET /b/d => 200 | log RouterName={id}d@docker
GET /n => 200 | log RouterName={id}a@docker
API /api/http/routers/{id}d@docker => 200 | /priority = 1000 | /priorityStr = "1000"
API /api/http/routers/{id}e@docker => 200 | /priority = -5
@ router priority=9223372036854774808
+ tells SW0211
GET / => 503 | unsent
@ router priority=9223372036854774807
GET / => 200

// Ports and addresses
@ service server.port={port}
GET / => 200
API /api/http/services/{id}@docker => 200 | /loadBalancer/servers/0/url = "{url:echo}" | /serverStatus = {"{url:echo}":"UP"}
@ service server.weight=3
GET / => 200
API /api/http/services/{id}@docker => 200 | /loadBalancer/servers/0/weight = 3
@ service strategy=p2c
GET / => 200
API /api/http/services/{id}@docker => 200 | /loadBalancer/strategy = "p2c"
@ service strategy=hrw
GET / => 200
@ service strategy=leasttime
GET / => 200
@ service strategy=WRR
+ tells SW0102
GET / => 200

// Sticky sessions
@ service sticky.cookie.name=crumb
GET / => 200 | has Set-Cookie: crumb={sha:echo}; Path=/
GET / | Cookie: crumb={sha:echo} => 200 | has !Set-Cookie | sent Cookie: crumb={sha:echo}
GET / | Cookie: crumb=garbage => 200 | has Set-Cookie: crumb={sha:echo}; Path=/
GET / | Cookie: crumb={url:echo} => 200 | has Set-Cookie: crumb={sha:echo}; Path=/
GET / | Cookie: other=1; crumb={sha:echo} => 200 | has !Set-Cookie
GET / | Cookie: crumb=a; crumb={sha:echo} => 200 | has Set-Cookie: crumb={sha:echo}; Path=/
@ service sticky=true
+ tells SW0103
GET / => 200 | has !Set-Cookie
@ service sticky.cookie.name=crumb
+ service sticky.cookie.path=/x
+ service sticky.cookie.domain=crumb.test
+ service sticky.cookie.maxage=60
+ service sticky.cookie.httponly=true
+ service sticky.cookie.secure=true
+ service sticky.cookie.samesite=Lax
GET / => 200 | has Set-Cookie: crumb={sha:echo}; Path=/x; Domain=crumb.test; Max-Age=60; HttpOnly; Secure; SameSite=Lax
@ service sticky.cookie.name=crumb
+ service sticky.cookie.samesite=none
+ service sticky.cookie.maxage=-1
+ service sticky.cookie.secure=1
GET / => 200 | has Set-Cookie: crumb={sha:echo}; Path=/; Max-Age=0; Secure; SameSite=None
@ service sticky.cookie.name=a b;c
GET / => 200 | has Set-Cookie: a_b_c={sha:echo}; Path=/
@ service sticky.cookie.name=crumb
+ service sticky.cookie.samesite=strict
GET / => 200 | has Set-Cookie: crumb={sha:echo}; Path=/; SameSite=Strict
@ service sticky.cookie.name=crumb
+ server closes
POST / | body: x => 502 | has Set-Cookie: crumb={sha:closes}; Path=/
@ service sticky.cookie.name=crumb
+ server fields
GET / => 200 | has Set-Cookie: a=1, b=2, crumb={sha:fields}; Path=/
@ label traefik.http.services.whoami.loadbalancer.sticky.cookie=true
+ label traefik.http.routers.{id}.rule=Host(`{id}.test`)
GET / => 200 | has Set-Cookie: _633ff={sha:echo}; Path=/
@ label traefik.http.services.service-mini.loadbalancer.sticky.cookie=
+ label traefik.http.routers.{id}.rule=Host(`{id}.test`)
GET / => 200 | has Set-Cookie: _89e5c={sha:echo}; Path=/
@ label traefik.http.services.web.loadbalancer.sticky.cookie.path=/
+ label traefik.http.routers.{id}.rule=Host(`{id}.test`)
GET / => 200 | has Set-Cookie: _d1570={sha:echo}; Path=/

// Middlewares in the API
@ mw addprefix.prefix=/foo
API /api/http/middlewares/{id}@docker => 200 | /addPrefix/prefix = "/foo" | /type = "addprefix" | /status = "enabled" | /provider = "docker" | /usedBy/0 = "{id}@docker" | /name = "{id}@docker"
API /api/http/routers/{id}@docker => 200 | /middlewares/0 = "{id}@docker"
@ mw headers.framedeny=true
API /api/http/middlewares/{id}@docker => 200 | /headers/frameDeny = true | /type = "headers"
@ mw redirectscheme.scheme=https
+ mw redirectscheme.permanent=true
API /api/http/middlewares/{id}@docker => 200 | /redirectScheme/scheme = "https" | /redirectScheme/permanent = true
@ mw stripprefix.prefixes=/a, /b
API /api/http/middlewares/{id}@docker => 200 | /stripPrefix/prefixes = ["/a","/b"]
@ mw ratelimit.average=100
+ mw ratelimit.period=90
API /api/http/middlewares/{id}@docker => 200 | /rateLimit/average = 100 | /rateLimit/period = "1m30s"
@ mw addprefix.prefix=
+ tells SW0401 SW0204
GET / => 503 | unsent
API /api/http/middlewares/{id}@docker => 200 | /status = "disabled"

// The API itself
@ plain
API /api/version => 200 | has Content-Type: application/json
API /api/overview => 200 | /providers = ["Docker"] | /features/accessLog = true | /tcp/routers/total = 0 | /udp/routers/total = 0
API /api/entrypoints => 200 | /0/name = "traefik" | /1/name = "web"
API /api/entrypoints/web => 200 | /name = "web"
API /api/entrypoints/none => 404
API /api/http/routers/none@docker => 404
API /api/http/services/none@docker => 404
API /api/http/middlewares/none@docker => 404
API /api/http/routers?search={id}.test => 200 | /0/name = "{id}@docker" | /1 = - | has X-Next-Page: 1
API /api/http/routers?search={id}.TEST&status=enabled => 200 | /0/name = "{id}@docker"
API /api/http/routers?search={id}.test&status=disabled => 200 | /0 = - | text []
API /api/http/routers?serviceName={id}@docker => 200 | /0/name = "{id}@docker"
API /api/http/routers?per_page=1&page=2 => 200 | has X-Next-Page: 3
API /api/http/routers?page=100000 => 400
API /api/http/routers?page=0 => 400
API /api/http/routers?page=x => 400
API /api/http/services?search={id}@docker => 200 | /0/name = "{id}@docker"
API /api/tcp/routers => 200 | text []
API /api/tcp/services => 200 | text []
API /api/udp/routers => 200 | text []
API /api/tcp/middlewares => 200 | text []
API /api/nothing => 404
"#;
