package node

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
)

var (
	heapPattern    = regexp.MustCompile(`^[1-9][0-9]*[kKmMgG]$`)
	settingPattern = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
)

// complete fills in the defaults and refuses what would break the node or step outside its folder.
func (o Options) complete() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("starting elasticsearch: no state folder given")
	}
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return o, fmt.Errorf("finding the state folder %s: %w", o.Dir, err)
	}
	if o.CacheDir, err = cacheDir(o.CacheDir); err != nil {
		return o, err
	}
	if o.Heap == "" {
		o.Heap = "1g"
	}
	if o.StartLimit == 0 {
		o.StartLimit = startTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return o, o.check()
}

func (o Options) check() error {
	if (o.Cluster != "" || o.NetNamespace != "") && o.Prefer != KindMaven {
		return fmt.Errorf("a node of a cluster of several, or in a network namespace, runs without Docker only: set Prefer to %s", KindMaven)
	}
	if !heapPattern.MatchString(o.Heap) {
		return fmt.Errorf("heap size %q: want a number with k, m or g, such as 1g", o.Heap)
	}
	switch o.Prefer {
	case "", KindDocker, KindMaven:
	default:
		return fmt.Errorf("kind of elasticsearch %q: want %s, %s or nothing", o.Prefer, KindDocker, KindMaven)
	}
	for key := range o.Settings {
		switch {
		case !settingPattern.MatchString(key):
			return fmt.Errorf("elasticsearch setting %q: a key has only letters, digits, dots, _ and -", key)
		case key == "cluster.name" || key == "node.name" || key == "path.data" || key == "path.logs" || key == "node.portsfile":
			return fmt.Errorf("elasticsearch setting %s: it is set from the state folder and cannot be changed", key)
		}
	}
	for name := range o.Files {
		if !filepath.IsLocal(name) || name == "elasticsearch.yml" {
			return fmt.Errorf("elasticsearch config file %q: want a relative name inside the config folder, "+
				"and not elasticsearch.yml (use settings)", name)
		}
	}
	return nil
}

// scheme is how the HTTP interface will speak under these settings.
func (o Options) scheme() string {
	if o.Settings["xpack.security.http.ssl.enabled"] == "true" {
		return "https"
	}
	return "http"
}

func cacheDir(given string) (string, error) {
	if given != "" {
		dir, err := filepath.Abs(given)
		if err != nil {
			return "", fmt.Errorf("finding the cache folder %s: %w", given, err)
		}
		return dir, nil
	}
	// Root's own cache folder is closed to the user the server runs as.
	if os.Geteuid() == 0 {
		return "/var/cache/sluice", nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a cache folder for elasticsearch (set HOME or XDG_CACHE_HOME): %w", err)
	}
	return filepath.Join(base, "sluice"), nil
}

// canonical is the one spelling of a folder: it decides whether a node belongs to it.
func canonical(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the folder %s: %w", dir, err)
	}
	resolved, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", fmt.Errorf("finding the folder %s: %w", dir, err)
	}
	return resolved, nil
}
