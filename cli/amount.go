package cli

import (
	"math/big"
	"strings"

	"byway/contracts"
	"byway/node/token"
)

// significant is how many digits of an amount a person is shown. Six tell a millionth of the sum apart, and a price per
// megabyte in a token of 18 decimals still fits a column.
const significant = 6

// show writes an amount for people: "0.05 BYW" where that is the whole truth, else rounded to six significant digits
// and marked, "≈ 0.0000465661 BYW". Whole tokens are never rounded. Every screen of this package uses it; --json, and
// the block of figures that must be equal, have all digits.
func show(t token.Token, a contracts.Amount) string {
	return shorten(a.Tokens(t.Decimals)) + " " + t.Symbol
}

// showEther writes wei likewise.
func showEther(wei *big.Int) string {
	s := wei.String()
	if short := 19 - len(s); short > 0 {
		s = strings.Repeat("0", short) + s
	}
	whole, frac := s[:len(s)-18], strings.TrimRight(s[len(s)-18:], "0")
	if frac != "" {
		whole += "." + frac
	}
	return shorten(whole) + " ETH"
}

// shorten rounds a plain decimal number to the significant digits, to the nearest and up where it is halfway, and says
// so; one that has no more digits than those stays as it is.
func shorten(number string) string {
	whole, frac, _ := strings.Cut(number, ".")
	keep := significant - len(whole)
	if whole == "0" {
		keep = significant + len(frac) - len(strings.TrimLeft(frac, "0"))
	}
	keep = max(keep, 0)
	if len(frac) <= keep {
		return number
	}
	up := frac[keep] >= '5'
	digits, _ := new(big.Int).SetString(whole+frac[:keep], 10)
	if up {
		digits.Add(digits, big.NewInt(1))
	}
	s := digits.String()
	if short := keep + 1 - len(s); short > 0 {
		s = strings.Repeat("0", short) + s
	}
	whole, frac = s[:len(s)-keep], strings.TrimRight(s[len(s)-keep:], "0")
	if frac != "" {
		whole += "." + frac
	}
	return "≈ " + whole
}
