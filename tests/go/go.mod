module andon/tests/go

go 1.17

require golang.org/x/mod v0.8.0
