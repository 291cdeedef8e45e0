module github.com/sluicelog/sluice/test

go 1.26.0

require github.com/compose-spec/compose-go/v2 v2.16.2

// The modules of one repository have one version: what lies beside this folder.
replace (
	github.com/sluicelog/sluice/services/enricher => ../services/enricher
	github.com/sluicelog/sluice/services/indexer => ../services/indexer
	github.com/sluicelog/sluice/services/receiver => ../services/receiver
	github.com/sluicelog/sluice/services/sluice => ../services/sluice
	github.com/sluicelog/sluice/shared => ../shared
)
