module github.com/sluicelog/sluice/services/enricher

go 1.26

require github.com/sluicelog/sluice/shared v0.0.0

replace github.com/sluicelog/sluice/shared => ../../shared
