package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"byway/contracts/disk"
	"byway/node/api"
	"byway/node/home"
)

// lookAtHome looks at the folder, whose it is, who else can read what nobody else may, and whether it has an account.
func (p *patient) lookAtHome(context.Context) []finding {
	dir := p.folder.Dir()
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []finding{{"home", findingFault, dir + " is not there", "make an account with byway account new, or name the home with --home"}}
	case err != nil:
		return []finding{failed("home", err, "run this as the home's own user, or name another home with --home")}
	case !info.IsDir():
		return []finding{{"home", findingFault, dir + " is no folder", "name the node's folder with --home"}}
	}
	owner, known := disk.OwnerOf(info)
	if known && owner.UID != os.Geteuid() {
		foreign := &home.ForeignError{Dir: dir, Owner: owner.UID, User: os.Geteuid()}
		return []finding{failed("home", foreign, "run this as that user")}
	}
	p.ours = true
	found := []finding{{"home", findingOK, dir, ""}}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		found = []finding{{"home", findingFault, fmt.Sprintf("%s has mode %04o: others can put files there", dir, info.Mode().Perm()),
			"chmod 700 " + dir}}
	}
	return append(append(found, p.lookAtKeys(owner.UID, known)), p.lookAtAccount())
}

// secrets are the files that nobody else may read, by their names in the home.
var secrets = []string{"keystore/owner.json", "keystore/session.json", "keystore/session.key", "host.key", "ledger.db", "byway.toml", "wanted.json", "selling.json"}

func (p *patient) lookAtKeys(uid int, known bool) finding {
	for _, name := range secrets {
		path := filepath.Join(p.folder.Dir(), filepath.FromSlash(name))
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return failed("keys", err, "run this as the home's own user, or restore the keystore from your backup")
		}
		owner, _ := disk.OwnerOf(info)
		switch {
		case !info.Mode().IsRegular():
			return finding{"keys", findingFault, path + " is no file", "restore it from your backup"}
		case known && owner.UID != uid:
			return finding{"keys", findingFault, fmt.Sprintf("%s belongs to user %d, and the home to user %d", path, owner.UID, uid),
				fmt.Sprintf("chown %d %s", uid, path)}
		case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
			return finding{"keys", findingFault, fmt.Sprintf("%s has mode %04o: others can read it", path, info.Mode().Perm()),
				"chmod 600 " + path + "; where somebody may have read it, move what the account holds to a new one"}
		}
	}
	return finding{"keys", findingOK, "this user alone can read them", ""}
}

func (p *patient) lookAtAccount() finding {
	owner, session, err := p.folder.Accounts()
	if err != nil {
		return failed("account", err, "restore the keystore from your backup")
	}
	p.account, p.owner, p.session = true, owner, session
	return finding{"account", findingOK, owner.Hex(), ""}
}

// lookAtDisk writes what a node needs room for, and removes it.
func (p *patient) lookAtDisk(context.Context) []finding {
	if !p.ours {
		return nil
	}
	if err := p.folder.Writable(); err != nil {
		return []finding{failed("disk", err, "make room on the disk of the home, or mount it for writing: no promise is made or taken before it "+
			"is on disk")}
	}
	return []finding{{"disk", findingOK, "the home can be written to", ""}}
}

// lookAtDaemon asks the daemon for its status. Where none answers, nobody may hold the home.
func (p *patient) lookAtDaemon(ctx context.Context) []finding {
	d, err := p.env.daemon(p.c)
	switch {
	case errors.Is(err, api.ErrNotRunning):
		return p.lookAtLock()
	case err != nil:
		return []finding{failed("daemon", err, "ask as the user whose daemon it is, or as root")}
	}
	status, err := d.status(ctx)
	if err != nil {
		return []finding{failed("daemon", err, "end its process, and start it again with byway up; what was wanted is taken up again")}
	}
	p.daemon, p.status = d, &status
	found := finding{"daemon", findingOK, fmt.Sprintf("runs as process %d", status.Pid), ""}
	switch {
	case status.Trouble != "":
		found.State, found.Says, found.Cure = findingFault, status.Trouble, "byway status says more"
	case status.Version != version():
		found.State, found.Says = findingWarning, fmt.Sprintf("runs version %s, and this program is %s", status.Version, version())
		found.Cure = "byway down, and byway up"
	case status.Locked && status.Provider != nil:
		found.State, found.Says = findingWarning, "the account is locked: nothing is claimed, and no new offer published"
		found.Cure = "byway account unlock"
	}
	return []finding{found}
}

// lookAtLock makes sure that a home without a daemon is free. The kernel frees the lock of a process that was killed, so a file
// that lies there is nothing.
func (p *patient) lookAtLock() []finding {
	free := finding{"daemon", findingOK, "none runs on this home", ""}
	if _, err := os.Stat(p.folder.Path("lock")); err != nil || !p.ours {
		return []finding{free}
	}
	unlock, err := p.folder.Lock()
	var held *home.InUseError
	switch {
	case errors.As(err, &held):
		return []finding{{"daemon", findingFault, "another process holds the home, and answers no commands", "wait for the command that runs " +
			"there; else find it with fuser " + p.folder.Path("lock") + " and end it"}}
	case err != nil:
		return []finding{free} // a disk that is full is told by its own check
	}
	if err := unlock(); err != nil {
		return []finding{failed("daemon", err, "see whether the disk of the home is sound")}
	}
	return []finding{free}
}
