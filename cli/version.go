package cli

import "runtime/debug"

// stamped is what make names a build; empty where it was built by hand.
var stamped string

// version is what the build was named, else the commit that it was built from, as the Go toolchain recorded it.
func version() string {
	if stamped != "" {
		return stamped
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			commit = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	if commit == "" {
		return "development build"
	}
	return commit + dirty
}
