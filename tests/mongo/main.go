// A MongoDB-protocol server for the tests: FerretDB on SQLite, behind a gate.
// usage: mongo-server ADDRESS FOLDER
//
// MongoDB changes a single document atomically; FerretDB's findAndModify reads,
// then writes. So the gate lets one command in at a time.
package main

import (
	"context"
	"encoding/binary"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/FerretDB/FerretDB/ferretdb"
)

const maxMessage = 48_000_000

var gate sync.Mutex

// One message of the wire protocol: its length stands in its first four bytes.
func readMessage(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(head[:])
	if length < 16 || length > maxMessage {
		return nil, io.ErrUnexpectedEOF
	}
	message := make([]byte, length)
	copy(message, head[:])
	_, err := io.ReadFull(r, message[4:])
	return message, err
}

func exchange(client, server net.Conn, request []byte) error {
	gate.Lock()
	defer gate.Unlock()
	if _, err := server.Write(request); err != nil {
		return err
	}
	answer, err := readMessage(server)
	if err != nil {
		return err
	}
	_, err = client.Write(answer)
	return err
}

func serve(client net.Conn, socket string) {
	defer client.Close()
	server, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer server.Close()
	for {
		request, err := readMessage(client)
		if err != nil || exchange(client, server, request) != nil {
			return
		}
	}
}

// Listens once FerretDB answers: nobody is let in to a closed room.
func open(address, socket string) {
	for {
		probe, err := net.Dial("unix", socket)
		if err == nil {
			probe.Close()
			break
		}
		time.Sleep(time.Millisecond)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(client, socket)
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	socket := filepath.Join(os.Args[2], "ferretdb.sock")
	os.Remove(socket) // of one that was killed
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{Unix: socket},
		Handler:   "sqlite",
		SQLiteURL: "file:" + os.Args[2] + "/",
	})
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- server.Run(ctx) }()
	go open(os.Args[1], socket)
	log.Fatal(<-ended)
}
