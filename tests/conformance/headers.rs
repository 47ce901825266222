//! The `headers` middleware.

pub(super) const TABLE: &str = r#"
@ mw headers.customrequestheaders.X-One=1
+ mw headers.customrequestheaders.x-two=a b
+ mw headers.customrequestheaders.X-Gone=
GET / => 200 | sent X-One: 1 | sent X-Two: a b
GET / | X-One: 0 | X-One: 2 => 200 | sent X-One: 1
GET / | X-Gone: 1 => 200 | sent !X-Gone
GET / | X-Stays: 1 => 200 | sent X-Stays: 1
@ mw headers.customrequestheaders.Host=inner.test
GET / => 200 | sent Host: inner.test
@ mw headers.customrequestheaders.X-Forwarded-For=
GET / => 200 | sent !X-Forwarded-For
@ mw headers.customrequestheaders.X-Forwarded-Proto=https
GET / => 200 | sent X-Forwarded-Proto: https
@ mw headers.customrequestheaders.Authorization=
GET / | Authorization: Basic YTpi => 200 | sent !Authorization
@ mw headers.customresponseheaders.X-One=1
+ mw headers.customresponseheaders.Server=
+ mw headers.customresponseheaders.X-Powered-By=steam
+ server fields
GET / => 200 | has X-One: 1 | has !Server | has X-Powered-By: steam | has Set-Cookie: a=1, b=2
@ mw headers.customresponseheaders.X-From=proxy
+ server notfound
GET / => 404 | has X-From: proxy
@ mw headers.framedeny=true
GET / => 200 | has X-Frame-Options: DENY
@ mw headers.framedeny=true
+ server fields
GET / => 200 | has X-Frame-Options: DENY
@ mw headers.customframeoptionsvalue=SAMEORIGIN
GET / => 200 | has X-Frame-Options: SAMEORIGIN
@ mw headers.framedeny=true
+ mw headers.customframeoptionsvalue=SAMEORIGIN
GET / => 200 | has X-Frame-Options: SAMEORIGIN
@ mw headers.contenttypenosniff=true
GET / => 200 | has X-Content-Type-Options: nosniff
@ mw headers.browserxssfilter=true
GET / => 200 | has X-XSS-Protection: 1; mode=block
@ mw headers.custombrowserxssvalue=0
GET / => 200 | has X-XSS-Protection: 0
@ mw headers.contentsecuritypolicy=default-src 'self'
GET / => 200 | has Content-Security-Policy: default-src 'self'
@ mw headers.contentsecuritypolicyreportonly=default-src 'self'
GET / => 200 | has Content-Security-Policy-Report-Only: default-src 'self' | has !Content-Security-Policy
@ mw headers.referrerpolicy=no-referrer
GET / => 200 | has Referrer-Policy: no-referrer
@ mw headers.permissionspolicy=camera=()
GET / => 200 | has Permissions-Policy: camera=()
@ mw headers.stsseconds=60
GET / => 200 | has !Strict-Transport-Security
@ mw headers.stsseconds=60
+ mw headers.forcestsheader=true
GET / => 200 | has Strict-Transport-Security: max-age=60
@ mw headers.stsseconds=60
+ mw headers.stsincludesubdomains=true
+ mw headers.stspreload=1
+ mw headers.forcestsheader=T
GET / => 200 | has Strict-Transport-Security: max-age=60; includeSubDomains; preload
@ mw headers.stsseconds=60
+ mw headers.sslproxyheaders.X-Secure=yes
GET / | X-Secure: yes => 200 | has Strict-Transport-Security: max-age=60
GET / | X-Secure: no => 200 | has !Strict-Transport-Security
@ mw headers.stsseconds=60
+ mw headers.forcestsheader=true
+ mw headers.isdevelopment=true
GET / => 200 | has !Strict-Transport-Security
@ mw headers.allowedhosts={id}.test
+ router rule=Host(`{id}.test`) || Host(`{id}x.test`)
GET / => 200
GET / | Host: {id}x.test => 500 | text Bad Host | unsent
@ mw headers.allowedhosts=other.test
GET / => 500 | text Bad Host | unsent
@ mw headers.allowedhosts=other.test
+ mw headers.isdevelopment=true
GET / => 200
@ mw headers.allowedhosts=other.test
+ mw headers.hostsproxyheaders=X-Real-Host
GET / | X-Real-Host: other.test => 200
GET / | X-Real-Host: else.test => 500 | unsent
@ mw headers.sslredirect=true
+ mw headers.framedeny=true
+ tells SW0113
GET / => 200 | has X-Frame-Options: DENY
@ mw headers.featurepolicy=vibrate 'none'
+ mw headers.framedeny=true
+ tells SW0113
GET / => 200 | has !Feature-Policy
@ mw headers.accesscontrolalloworiginlist=https://a.example
+ mw headers.accesscontrolallowmethods=GET, PUT
+ mw headers.accesscontrolallowheaders=X-A, X-B
+ mw headers.accesscontrolmaxage=100
+ mw headers.accesscontrolallowcredentials=true
+ mw headers.accesscontrolexposeheaders=X-Out
+ mw headers.addvaryheader=true
OPTIONS / | Origin: https://a.example | Access-Control-Request-Method: PUT => 200 | has Access-Control-Allow-Origin: https://a.example | has Access-Control-Allow-Methods: GET,PUT | has Access-Control-Allow-Headers: X-A,X-B | has Access-Control-Max-Age: 100 | has Access-Control-Allow-Credentials: true | has Content-Length: 0 | unsent
OPTIONS / | Origin: https://b.example | Access-Control-Request-Method: PUT => 200 | has !Access-Control-Allow-Origin | unsent
OPTIONS / | Origin: https://a.example => 200 | has X-Upstream: echo
OPTIONS / | Access-Control-Request-Method: PUT => 200 | has X-Upstream: echo
GET / | Origin: https://a.example => 200 | has Access-Control-Allow-Origin: https://a.example | has Access-Control-Expose-Headers: X-Out | has Access-Control-Allow-Credentials: true | has Vary: Origin
GET / | Origin: https://a.example.evil => 200 | has !Access-Control-Allow-Origin | has Vary: Origin
GET / | Origin: http://a.example => 200 | has !Access-Control-Allow-Origin
GET / => 200 | has !Access-Control-Allow-Origin
@ mw headers.accesscontrolalloworiginlist=*
GET / | Origin: https://any.example => 200 | has Access-Control-Allow-Origin: * | has !Vary
OPTIONS / | Origin: https://any.example | Access-Control-Request-Method: GET => 200 | has Access-Control-Allow-Origin: * | unsent
@ mw headers.accesscontrolalloworiginlistregex=^https://[a-z]+\.example$
GET / | Origin: https://abc.example => 200 | has Access-Control-Allow-Origin: https://abc.example
GET / | Origin: https://a1.example => 200 | has !Access-Control-Allow-Origin
@ mw headers.accesscontrolalloworiginlist=https://a.example
+ server fields
GET / | Origin: https://a.example => 200 | has Access-Control-Allow-Origin: https://a.example
@ mw headers.framedeny=true
OPTIONS / | Origin: https://a.example | Access-Control-Request-Method: PUT => 200 | has X-Upstream: echo
"#;
