import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Testing

@testable import Delivery

@Suite struct ConnectionTroubleTests {
    static let errors: [(any Error, String)] = [
        (IOError(errnoCode: ECONNRESET, reason: "read(descriptor:pointer:size:)"), "Connection reset by peer"),
        (IOError(errnoCode: ENETUNREACH, reason: "connect"), "Network is unreachable"),
        (ChannelError.ioOnClosedChannel, "The connection is closed"),
        (NIOSSLError.handshakeFailed(.sslError([.eofDuringHandshake])), "EOF during handshake"),
        (NIOSSLError.handshakeFailed(.syscallError), "the server closed the connection"),
        (NIOSSLError.unableToValidateCertificate, "the certificate cannot be verified"),
        (NIOSSLExtraError.failedToValidateHostname, "the certificate is for another name"),
    ]

    @Test(arguments: errors.indices)
    func `what went wrong is told in words`(place: Int) {
        let (error, words) = Self.errors[place]
        #expect(ConnectionTrouble.text(error) == words)
    }

    @Test func `of a TLS library's error only the reason is told`() {
        let text = "Error: 268435703 error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER at /x/s.cc:231"
        #expect(ConnectionTrouble.reason(in: text) == "wrong version number")
    }
}
