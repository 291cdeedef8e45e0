module github.com/sluicelog/sluice/services/sluice

go 1.26

require (
	github.com/klauspost/compress v1.20.3
	github.com/mattn/go-isatty v0.0.24
	github.com/oklog/ulid/v2 v2.1.2
	github.com/schollz/progressbar/v3 v3.19.1
	github.com/sluicelog/sluice/services/enricher v0.0.0
	github.com/sluicelog/sluice/services/indexer v0.0.0
	github.com/sluicelog/sluice/services/receiver v0.0.0
	github.com/sluicelog/sluice/shared v0.0.0
	github.com/spf13/cobra v1.10.2
)

replace (
	github.com/sluicelog/sluice/services/enricher => ../enricher
	github.com/sluicelog/sluice/services/indexer => ../indexer
	github.com/sluicelog/sluice/services/receiver => ../receiver
	github.com/sluicelog/sluice/shared => ../../shared
)
