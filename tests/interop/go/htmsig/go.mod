module wfm-gateway/tests/interop/go/htmsig

go 1.24.4

require github.com/lestrrat-go/htmsig v1.0.0

require (
	github.com/lestrrat-go/blackmagic v1.0.4 // indirect
	github.com/lestrrat-go/dsig v1.0.0 // indirect
	github.com/lestrrat-go/option v1.0.1 // indirect
	github.com/lestrrat-go/sfv v1.0.0 // indirect
)
