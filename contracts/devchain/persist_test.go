package devchain

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
)

// childDir makes the test binary run a chain in that folder, to be killed, instead of the tests.
const childDir = "BYWAY_TEST_DEVCHAIN_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := runChild(dir); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runChild mines payments for ever and prints the hash of each once its block is on disk.
func runChild(dir string) error {
	c, err := Start(Config{Dir: dir})
	if err != nil {
		return err
	}
	client, err := ethclient.Dial(c.URL())
	if err != nil {
		return err
	}
	ctx := context.Background()
	nonce, err := client.NonceAt(ctx, Account(0).Address(), nil)
	if err != nil {
		return err
	}
	for ; ; nonce++ {
		tx, err := signTransfer(0, nonce)
		if err != nil {
			return err
		}
		if err := client.SendTransaction(ctx, tx); err != nil {
			return err
		}
		for {
			if _, err := client.TransactionReceipt(ctx, tx.Hash()); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		// The lock is free again once the block is synced.
		if err := c.locked(func() error { return nil }); err != nil {
			return err
		}
		fmt.Println("mined", tx.Hash().Hex())
	}
}

func TestChainInAFolderSurvivesKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var mined []common.Hash
	for round := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 5+7*round && lines.Scan(); n++ {
			hash, ok := strings.CutPrefix(lines.Text(), "mined ")
			if !ok {
				t.Fatalf("round %d: %s", round, lines.Text())
			}
			mined = append(mined, common.HexToHash(hash))
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			if hash, ok := strings.CutPrefix(lines.Text(), "mined "); ok {
				mined = append(mined, common.HexToHash(hash))
			}
		}
		_ = cmd.Wait()
	}
	if len(mined) < 5+12+19 {
		t.Fatalf("only %d transactions were mined", len(mined))
	}
	_, client := start(t, Config{Dir: dir})
	for i, hash := range mined {
		if _, err := client.TransactionReceipt(t.Context(), hash); err != nil {
			t.Errorf("transaction %d of %d, %s: %v", i, len(mined), hash, err)
		}
	}
	tx := transfer(t, 1, 0)
	send(t, client, tx)
	receipt(t, client, tx)
}

func TestFolderKeepsItsClockAndItsLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := Start(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(Config{Dir: dir}); err == nil {
		t.Error("two chains opened one folder")
	}
	if err := c.Advance(48 * time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c, client := start(t, Config{Dir: dir})
	if err := c.Mine(1); err != nil {
		t.Fatal(err)
	}
	if ahead := time.Until(time.Unix(int64(head(t, client).Time), 0)); ahead < 47*time.Hour {
		t.Errorf("the clock fell back to %s ahead", ahead)
	}
}
