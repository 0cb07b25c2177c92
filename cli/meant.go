package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// meant asks whether a word that is not known was meant as the known one nearest to it: ", did you mean up?". It is empty
// where none is near, or several are as near.
func meant(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return ", did you mean " + near + "?"
	}
	return ""
}

// nearest is the one known word that is a single typing error away from a typed one, else the one that it begins, else the
// one that is two errors away, which is too far for a word of three letters; empty where there is none, or more than one.
func nearest(word string, known []string) string {
	const longest = 64 // as long as no name is: what is typed must not cost time
	if len(word) > longest {
		return ""
	}
	word = strings.ToLower(word)
	least, found := 3, ""
	if len(word) <= 3 {
		least = 2
	}
	for _, k := range known {
		switch d := typos(word, k); {
		case d < least:
			least, found = d, k
		case d == least && k != found:
			found = "" // as near as the other
		}
	}
	if found != "" && least == 1 || len(word) < 2 {
		return found
	}
	begun := ""
	for _, k := range known {
		if strings.HasPrefix(k, word) && k != begun {
			if begun != "" {
				return found
			}
			begun = k
		}
	}
	return cmp.Or(begun, found)
}

// typos counts what it takes to make b of a: letters left out, added, mistaken or swapped with their neighbour (the
// distance of Damerau and Levenshtein in which no part is changed twice).
func typos(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			mistaken := 1
			if x[i-1] == y[j-1] {
				mistaken = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+mistaken)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}

func commandNames(commands []*cli.Command) (names []string) {
	for _, c := range commands {
		names = append(names, c.Names()...)
	}
	return names
}

// flagNames are the names of flags that are words: one letter is near to any other.
func flagNames(flags []cli.Flag) (names []string) {
	for _, f := range flags {
		for _, name := range f.Names() {
			if len(name) > 1 && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
