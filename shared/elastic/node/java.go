package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const minJava = 17

// environment reads a variable that belongs to the system's conventions, not to this program's settings.
func environment(name string) string {
	return os.Getenv(name) //nolint:forbidigo // JAVA_HOME and PATH are no settings of ours
}

// findJava returns the home of a Java that is new enough: JAVA_HOME, the one on PATH, or one in /usr/lib/jvm.
func findJava(ctx context.Context) (string, error) {
	var commands []string
	if home := environment("JAVA_HOME"); home != "" {
		commands = append(commands, filepath.Join(home, "bin", "java"))
	}
	if path, err := exec.LookPath("java"); err == nil {
		commands = append(commands, path)
	}
	installed, _ := filepath.Glob("/usr/lib/jvm/*/bin/java") // the pattern is well formed
	commands = append(commands, installed...)
	slices.Sort(commands[len(commands)-len(installed):])
	var reasons []error
	for _, command := range commands {
		home, err := javaHome(ctx, command)
		if err == nil {
			return home, nil
		}
		reasons = append(reasons, err)
	}
	if len(reasons) == 0 {
		return "", errors.New("there is no java in JAVA_HOME, on PATH or in /usr/lib/jvm")
	}
	return "", errors.Join(reasons...)
}

// javaHome asks a java command where it lives, because it may be a wrapper, and checks its version.
func javaHome(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, command, "-XshowSettings:properties", "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", command, err)
	}
	home, version := property(out, "java.home"), property(out, "java.specification.version")
	number, err := strconv.Atoi(version)
	if err != nil || number < minJava {
		return "", fmt.Errorf("%s is Java %q: elasticsearch needs %d or newer", command, version, minJava)
	}
	if home == "" {
		return "", fmt.Errorf("%s does not tell its home", command)
	}
	return home, nil
}

func property(settings []byte, name string) string {
	for line := range bytes.Lines(settings) {
		key, value, found := strings.Cut(string(line), "=")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
