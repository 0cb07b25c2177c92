package token

import (
	"regexp"

	"byway/contracts"
)

// Errors of the chain and of the payment engine, which know no decimals, write amounts as "N base units".
var baseUnits = regexp.MustCompile(`\b([0-9]{1,29}) base units`)

// InTokens writes the amounts of an error's text in whole tokens. What the error is stays what it is.
func (t Token) InTokens(err error) error {
	if err == nil {
		return nil
	}
	if was, now := err.Error(), t.Words(err.Error()); now != was {
		return &wordedError{now, err}
	}
	return err
}

// Words writes the amounts of a text in whole tokens.
func (t Token) Words(text string) string {
	return baseUnits.ReplaceAllStringFunc(text, func(s string) string {
		a, err := contracts.ParseAmount(baseUnits.FindStringSubmatch(s)[1])
		if err != nil {
			return s
		}
		return t.Format(a)
	})
}

// wordedError is an error in other words.
type wordedError struct {
	text  string
	cause error
}

// Error implements error.
func (e *wordedError) Error() string { return e.text }

// Unwrap returns what the words stand for.
func (e *wordedError) Unwrap() error { return e.cause }
