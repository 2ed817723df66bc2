package egress

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// The part of SOCKS version 5 (RFC 1928) that a browser needs: CONNECT without
// authentication.
const (
	version   = 5
	noLogin   = 0
	connect   = 1
	kindIPv4  = 1
	kindName  = 3
	kindIPv6  = 4
	noMethods = 0xff
)

// reply is the result of a request.
type reply byte

const (
	succeeded   reply = 0
	unreachable reply = 4
)

var errProtocol = errors.New("not a SOCKS5 connect request")

// readRequest negotiates the authentication method and reads the requested
// host:port.
func readRequest(conn net.Conn) (string, error) {
	if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return "", err
	}
	var head [2]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return "", err
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(conn, methods); err != nil {
		return "", err
	}
	chosen := byte(noMethods)
	for _, method := range methods {
		if method == noLogin {
			chosen = noLogin
		}
	}
	if _, err := conn.Write([]byte{version, chosen}); err != nil {
		return "", err
	}
	if head[0] != version || chosen == noMethods {
		return "", errProtocol
	}
	address, err := readAddress(conn)
	if err != nil {
		return "", err
	}
	return address, conn.SetDeadline(time.Time{})
}

func readAddress(r io.Reader) (string, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	if head[0] != version || head[1] != connect {
		return "", errProtocol
	}
	length := 0
	switch head[3] {
	case kindIPv4:
		length = 4
	case kindIPv6:
		length = 16
	case kindName:
		var n [1]byte
		if _, err := io.ReadFull(r, n[:]); err != nil {
			return "", err
		}
		length = int(n[0])
	default:
		return "", errProtocol
	}
	rest := make([]byte, length+2)
	if _, err := io.ReadFull(r, rest); err != nil {
		return "", err
	}
	host := string(rest[:length])
	if head[3] != kindName {
		ip, _ := netip.AddrFromSlice(rest[:length]) // the length is valid, so this cannot fail
		host = ip.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(rest[length:])))), nil
}

// writeReply sends the reply to a request. The address in the reply is zero,
// because browsers do not use it.
func writeReply(w io.Writer, r reply) error {
	_, err := w.Write([]byte{version, byte(r), 0, kindIPv4, 0, 0, 0, 0, 0, 0})
	return err
}
