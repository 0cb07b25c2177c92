package turnstile

// filesMost stands for a limit that Windows does not have: its handles are bounded by memory alone, and a process may have
// millions.
const filesMost = 16384

func filesLimit() uint64 { return filesMost }
