package main

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// segmentHeaders is how long the headers of these packets are.
const segmentHeaders = header.IPv4MinimumSize + header.TCPMinimumSize

// wholeSegment is a packet of a TCP connection over IPv4.
type wholeSegment struct {
	from, to netip.Addr
	port     uint16 // it comes from
	number   uint32 // of its first byte
	flags    header.TCPFlags
	payload  []byte
}

// packet is the whole of it, with checksums that are right.
func (s wholeSegment) packet() header.IPv4 {
	ip := header.IPv4(make([]byte, segmentHeaders+len(s.payload)))
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(len(ip)), TTL: 64, Protocol: uint8(header.TCPProtocolNumber),
		SrcAddr: tcpip.AddrFrom4(s.from.As4()), DstAddr: tcpip.AddrFrom4(s.to.As4()),
	})
	ip.SetChecksum(^ip.CalculateChecksum())
	tcp := header.TCP(ip[header.IPv4MinimumSize:])
	tcp.Encode(&header.TCPFields{
		SrcPort: s.port, DstPort: 9, SeqNum: s.number, AckNum: 1,
		DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagAck | s.flags, WindowSize: 1000,
	})
	copy(tcp[header.TCPMinimumSize:], s.payload)
	tcp.SetChecksum(^sumOf(ip))
	return ip
}

// pseudoSum is the sum of what a segment's checksum covers besides the segment.
func pseudoSum(ip header.IPv4) uint16 {
	length := uint16(len(ip) - header.IPv4MinimumSize)
	return header.PseudoHeaderChecksum(header.TCPProtocolNumber, ip.SourceAddress(), ip.DestinationAddress(), length)
}

// sumOf is the sum of all that a segment's checksum covers: all ones when that is right.
func sumOf(ip header.IPv4) uint16 {
	return checksum.Checksum(ip[header.IPv4MinimumSize:], pseudoSum(ip))
}
