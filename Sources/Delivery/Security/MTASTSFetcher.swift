import Foundation
public import MailTypes
public import NIOCore
import NIOPosix
import NIOSSL
public import Pipeline
import Protocols

/// Fetches policies from the web servers of domains: HTTPS with a certificate that is trusted, one question, no
/// redirections, bounded in size and time. RFC 8461 §3.3.
public struct MTASTSFetcher: Sendable {
    public struct Options: Sendable {
        public var port = 443
        /// For everything from the address to the last octet.
        public var timeout: Interval = "30s"
        /// Addresses that are nobody's on the Internet are not connected to.
        public var refusesPrivateAddresses = true
        public var addressFamilies = DeliveryOptions.AddressFamilies.preferIPv6

        public init() {}
    }

    public struct Failure: Error, Sendable, Hashable {
        public var fault: MTASTSFinding.PolicyFault
        public var reason: String
    }

    private let options: Options
    private let resolve: @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer
    private let certificates: any CertificateChecks
    private let group: any EventLoopGroup

    /// Addresses of a web server that are tried.
    private static let mostAddresses = 3

    public init(
        _ options: Options, certificates: any CertificateChecks, group: any EventLoopGroup,
        resolve: @escaping @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer
    ) {
        self.options = options
        self.resolve = resolve
        self.certificates = certificates
        self.group = group
    }

    /// The octets of `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`.
    public func policy(of domain: String) async throws(Failure) -> [UInt8] {
        let host = "mta-sts.\(domain)"
        let end = NIODeadline.now() + .nanoseconds(options.timeout.nanoseconds)
        let found = try await addresses(of: host)
        var failure = Failure(fault: .fetch, reason: "\(host) has no usable address")
        for address in found.prefix(Self.mostAddresses) where NIODeadline.now() < end {
            do throws(Failure) { return try await fetch(host, address, until: end) } catch { failure = error }
            // Another address of the same host has the same page.
            if failure.fault != .fetch { break }
        }
        throw failure
    }

    private func addresses(of host: String) async throws(Failure) -> [IPAddress] {
        var found: [IPAddress] = []
        var reason: String?
        let types: [DNSQuestion.RecordType] =
            switch options.addressFamilies {
            case .preferIPv6: [.aaaa, .a]
            case .preferIPv4: [.a, .aaaa]
            case .onlyIPv6: [.aaaa]
            case .onlyIPv4: [.a]
            }
        for type in types {
            do throws(StageFailure) {
                guard case .records(let records, _) = try await resolve(DNSQuestion(host, type)) else { continue }
                for case .address(let address) in records { found.append(address) }
            } catch { reason = error.reason }
        }
        if found.isEmpty, let reason { throw Failure(fault: .fetch, reason: reason) }
        return found.filter { !(options.refusesPrivateAddresses && $0.isSpecial) }
    }

    private func fetch(
        _ host: String, _ address: IPAddress, until end: NIODeadline
    ) async throws(Failure) -> [UInt8] {
        let answer = Answer<Result<[UInt8], Failure>>()
        let record = CertificateRecord()
        let certificates = certificates
        let bootstrap = ClientBootstrap(group: group)
            .connectTimeout(max(end - .now(), .milliseconds(1)))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try Self.handler(host, record, certificates)
                    try channel.pipeline.syncOperations.addHandler(tls)
                    let page = PageHandler(host, record, until: end) { answer.give($0) }
                    try channel.pipeline.syncOperations.addHandler(page)
                }
            }
        do {
            _ = try await bootstrap.connect(to: SocketAddress(ipAddress: "\(address)", port: options.port)).get()
        } catch {
            throw Failure(fault: .fetch, reason: "\(host)[\(address)]: \(ConnectionTrouble.text(error))")
        }
        return try await answer.value().get()
    }

    private static func handler(
        _ host: String, _ record: CertificateRecord, _ certificates: any CertificateChecks
    ) throws -> NIOSSLClientHandler {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .noHostnameVerification
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        let context = try NIOSSLContext(configuration: configuration)
        return try NIOSSLClientHandler(context: context, serverHostname: host) { chain, promise in
            let octets = chain.compactMap { try? $0.toDERBytes() }
            NIOThreadPool.singleton.submit { _ in
                let verdict = certificates.verdict(on: octets, by: .authority(names: [host]), at: Date())
                record.verdict = verdict
                if case .proven = verdict { promise.succeed(.certificateVerified) } else { promise.succeed(.failed) }
            }
        }
    }
}

/// Asks for the policy and reads the answer.
private final class PageHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let host: String
    private let record: CertificateRecord
    private let end: NIODeadline
    private var done: (@Sendable (Result<[UInt8], MTASTSFetcher.Failure>) -> Void)?
    private var reader = HTTPReplyReader(mostBody: MTASTSPolicy.largest)
    private var timer: Scheduled<Void>?

    init(
        _ host: String, _ record: CertificateRecord, until end: NIODeadline,
        done: @escaping @Sendable (Result<[UInt8], MTASTSFetcher.Failure>) -> Void
    ) {
        self.host = host
        self.record = record
        self.end = end
        self.done = done
    }

    func channelActive(context: ChannelHandlerContext) {
        let question = """
            GET /.well-known/mta-sts.txt HTTP/1.1\r
            Host: \(host)\r
            Accept: text/plain\r
            Connection: close\r
            \r

            """
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: question)), promise: nil)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(deadline: end) {
            let (handler, context) = bound.value
            handler.fail(.fetch, "no answer in time", context)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        take(reader.read(unwrapInboundIn(data).readableBytesView), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        take(reader.end(), context)
        fail(.fetch, "the server closed the connection", context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case NIOSSLError.uncleanShutdown = error {
            take(reader.end(), context)
            return fail(.fetch, "the server closed the connection", context)
        }
        if let refusal = record.refusal { return fail(.web, refusal, context) }
        fail(.fetch, ConnectionTrouble.text(error), context)
    }

    private func take(_ progress: ScannerProgress<HTTPReplyReader.Reply>, _ context: ChannelHandlerContext) {
        switch progress {
        case .unfinished: break
        case .broken(let reason): fail(.fetch, reason, context)
        case .finished(let reply):
            // A redirection would lead to whomever. RFC 8461 §3.3.
            guard reply.status == 200 else { return fail(.fetch, "HTTP status \(reply.status)", context) }
            // What users may put onto a web server is seldom plain text.
            guard reader.mediaType == "text/plain" else {
                return fail(.fetch, "the policy is not of type text/plain", context)
            }
            finish(.success(reply.body), context)
        }
    }

    private func fail(_ fault: MTASTSFinding.PolicyFault, _ reason: String, _ context: ChannelHandlerContext) {
        finish(.failure(.init(fault: fault, reason: "\(host): \(reason)")), context)
    }

    private func finish(_ result: Result<[UInt8], MTASTSFetcher.Failure>, _ context: ChannelHandlerContext) {
        guard let done else { return }
        self.done = nil
        timer?.cancel()
        done(result)
        context.close(promise: nil)
    }
}
