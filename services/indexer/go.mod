module github.com/sluicelog/sluice/services/indexer

go 1.26

require github.com/sluicelog/sluice/shared v0.0.0

replace github.com/sluicelog/sluice/shared => ../../shared
