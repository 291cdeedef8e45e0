module github.com/sluicelog/sluice/services/receiver

go 1.26

require github.com/sluicelog/sluice/shared v0.0.0

replace github.com/sluicelog/sluice/shared => ../../shared
