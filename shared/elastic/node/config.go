package node

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// A kernel lets a process map only so many files, and a node that reaches that limit fails. With minMapCount it can have
// thousands of indices, and Elasticsearch asks for that much before it is used in earnest. With less, as most kernels come,
// a small node is far from the limit all the same: it maps its files when at its start they are less than a mapShare-th of
// it, which leaves room for what it gets until the next. Without mapping, every document costs a read of each segment: on
// two cores 2,700 documents a second went into an index of a million, and 4,300 with it.
const (
	minMapCount = 262144
	mapShare    = 8
)

// commonSettings hold for both kinds of node; opts.Settings win.
func commonSettings() map[string]string {
	return map[string]string{
		"discovery.type":         "single-node",
		"xpack.security.enabled": "false",
		// The default watermarks are shares of the disk: a nearly full laptop would refuse writes with 50 GB to spare.
		"cluster.routing.allocation.disk.watermark.low":         "500mb",
		"cluster.routing.allocation.disk.watermark.high":        "300mb",
		"cluster.routing.allocation.disk.watermark.flood_stage": "200mb",
	}
}

// mapping keeps a node from mapping its files where the kernel allows too few; files is how many it has by now.
func mapping(settings map[string]string, limit, files int) {
	if limit < minMapCount && files >= limit/mapShare {
		settings["node.store.allow_mmap"] = "false"
	}
}

// serverSettings are those of a server on this machine itself: everything on loopback and on free ports. The port that
// was taken is written to http.ports in the logs folder.
func serverSettings(opts Options) map[string]string {
	settings := commonSettings()
	mapping(settings, mapLimit(), fileCount(filepath.Join(opts.Dir, "data")))
	settings["path.data"] = filepath.Join(opts.Dir, "data")
	settings["path.logs"] = filepath.Join(opts.Dir, "logs")
	settings["node.portsfile"] = "true"
	settings["http.host"] = "127.0.0.1"
	settings["http.port"] = "0"
	settings["transport.host"] = "127.0.0.1"
	settings["transport.port"] = "0"
	maps.Copy(settings, opts.Settings)
	return settings
}

// yaml renders flat settings. A JSON string is a YAML string, so no value can break out of its line.
func yaml(settings map[string]string) []byte {
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		value, _ := json.Marshal(settings[key]) // a string always marshals
		out.WriteString(key + ": " + string(value) + "\n")
	}
	return []byte(out.String())
}

// writeConfig makes the config folder anew: what is in it belongs to the user the server runs as, so nothing there may
// be written through. shipped is the config folder of the distribution, or empty.
func writeConfig(opts Options, settings map[string]string, shipped string) error {
	dir := filepath.Join(opts.Dir, "config")
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("clearing the config folder: %w", err)
	}
	files := map[string][]byte{}
	if shipped != "" {
		for _, name := range []string{"jvm.options", "log4j2.properties"} {
			data, err := os.ReadFile(filepath.Join(shipped, name)) //nolint:gosec // the distribution's own file
			if err != nil {
				return fmt.Errorf("reading the distribution: %w", err)
			}
			files[name] = data
		}
		files["jvm.options"] = withoutGCLog(files["jvm.options"])
	}
	maps.Copy(files, opts.Files)
	files["elasticsearch.yml"] = yaml(settings)
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return fmt.Errorf("writing the config folder: %w", err)
		}
		if err := os.WriteFile(path, data, 0o640); err != nil { //nolint:gosec // the container's group reads it
			return fmt.Errorf("writing the config folder: %w", err)
		}
	}
	return nil
}

// withoutGCLog drops the log of the garbage collector, which may grow to 2 GB and which nobody reads here.
func withoutGCLog(jvmOptions []byte) []byte {
	lines := slices.DeleteFunc(strings.Split(string(jvmOptions), "\n"), func(line string) bool {
		return strings.Contains(line, "-Xlog:gc")
	})
	return []byte(strings.Join(lines, "\n"))
}

// mapLimit is how many files the kernel lets a process map; 0 when it does not say.
func mapLimit() int {
	if runtime.GOOS != "linux" {
		return minMapCount
	}
	data, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		return 0
	}
	count, _ := strconv.Atoi(strings.TrimSpace(string(data))) // 0 for what is no number
	return count
}

// fileCount is how many files lie below a folder, as far as they can be seen.
func fileCount(dir string) (count int) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			count++
		}
		return nil // what cannot be read is not counted
	})
	return count
}
