package node

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// minMapCount is the vm.max_map_count below which Elasticsearch must not map its index files.
const minMapCount = 262144

// commonSettings hold for both kinds of node; opts.Settings win.
func commonSettings() map[string]string {
	settings := map[string]string{
		"discovery.type":         "single-node",
		"xpack.security.enabled": "false",
		// The default watermarks are shares of the disk: a nearly full laptop would refuse writes with 50 GB to spare.
		"cluster.routing.allocation.disk.watermark.low":         "500mb",
		"cluster.routing.allocation.disk.watermark.high":        "300mb",
		"cluster.routing.allocation.disk.watermark.flood_stage": "200mb",
	}
	if !mapsEnough() {
		settings["node.store.allow_mmap"] = "false"
	}
	return settings
}

// serverSettings are those of a server on this machine itself: everything on loopback and on free ports. The port that
// was taken is written to http.ports in the logs folder.
func serverSettings(opts Options) map[string]string {
	settings := commonSettings()
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

// mapsEnough tells whether the kernel lets a process map as many files as Elasticsearch may want.
func mapsEnough() bool {
	if runtime.GOOS != "linux" {
		return true
	}
	data, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		return false
	}
	count, err := strconv.Atoi(strings.TrimSpace(string(data)))
	return err == nil && count >= minMapCount
}
