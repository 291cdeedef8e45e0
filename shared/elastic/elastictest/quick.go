package elastictest

// QuickFile and QuickOptions are a file of the configuration folder (node.Options.Files) and its content: the JVM
// compiles once, cheaply. A node that lives for minutes spends more on compiling well than it ever gets back.
const (
	QuickFile    = "jvm.options.d/quick.options"
	QuickOptions = "-XX:TieredStopAtLevel=1\n"
)
