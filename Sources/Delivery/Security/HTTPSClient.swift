import Foundation
public import MailTypes
public import NIOCore
import NIOPosix
import NIOSSL
public import Pipeline
import Protocols

/// Asks web servers one question each: HTTPS with a certificate that is trusted, no redirections, bounded in size and
/// time. RFC 9110, RFC 9112.
public struct HTTPSClient: Sendable {
    /// Where web servers listen, unless an address says otherwise.
    public static let port = 443

    public struct Options: Sendable {
        /// For everything from the address to the last octet.
        public var timeout: Interval = "30s"
        /// Addresses that are nobody's on the Internet are not connected to.
        public var refusesPrivateAddresses = true
        public var addressFamilies = DeliveryOptions.AddressFamilies.preferIPv6

        public init() {}
    }

    public struct Request: Sendable {
        public var host: String
        public var port: Int
        /// With what stands behind a question mark.
        public var path: String
        /// What is posted, and its media type; `nil`: a page is asked for.
        public var content: (type: String, octets: [UInt8])?
        /// Octets of an answer that are read; a longer one fails.
        public var mostBody: Int

        public init(
            host: String, port: Int, path: String, content: (type: String, octets: [UInt8])? = nil, mostBody: Int
        ) {
            self.host = host
            self.port = port
            self.path = path
            self.content = content
            self.mostBody = mostBody
        }

        fileprivate var octets: [UInt8] {
            let place = port == HTTPSClient.port ? host : "\(host):\(port)"
            var head = "\(content == nil ? "GET" : "POST") \(path) HTTP/1.1\r\nHost: \(place)\r\n"
            if let content {
                head += "Content-Type: \(content.type)\r\nContent-Length: \(content.octets.count)\r\n"
            } else {
                head += "Accept: text/plain\r\n"
            }
            return Array("\(head)Connection: close\r\n\r\n".utf8) + (content?.octets ?? [])
        }
    }

    public struct Page: Sendable, Hashable {
        public var status: Int
        /// In lower case, without parameters.
        public var mediaType: String?
        public var body: [UInt8]

        public init(status: Int, mediaType: String?, body: [UInt8]) {
            self.status = status
            self.mediaType = mediaType
            self.body = body
        }
    }

    public struct Failure: Error, Sendable, Hashable {
        /// The server has no certificate for its name.
        public var isAboutCertificate: Bool
        public var reason: String

        public init(isAboutCertificate: Bool, reason: String) {
            self.isAboutCertificate = isAboutCertificate
            self.reason = reason
        }
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

    /// What a web server answers, whatever its status is.
    public func ask(_ request: Request) async throws(Failure) -> Page {
        let end = NIODeadline.now() + .nanoseconds(options.timeout.nanoseconds)
        let found = try await addresses(of: request.host)
        var failure = Failure(isAboutCertificate: false, reason: "\(request.host) has no usable address")
        for address in found.prefix(Self.mostAddresses) where NIODeadline.now() < end {
            do throws(Failure) { return try await ask(request, at: address, until: end) } catch { failure = error }
            // Another address of the same host has the same certificate.
            if failure.isAboutCertificate { break }
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
        if found.isEmpty, let reason { throw Failure(isAboutCertificate: false, reason: reason) }
        return found.filter { !(options.refusesPrivateAddresses && $0.isSpecial) }
    }

    private func ask(
        _ request: Request, at address: IPAddress, until end: NIODeadline
    ) async throws(Failure) -> Page {
        let answer = Answer<Result<Page, Failure>>()
        let record = CertificateRecord()
        let certificates = certificates
        let bootstrap = ClientBootstrap(group: group)
            .connectTimeout(max(end - .now(), .milliseconds(1)))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try Self.handler(request.host, record, certificates)
                    try channel.pipeline.syncOperations.addHandler(tls)
                    let page = PageHandler(request, record, until: end) { answer.give($0) }
                    try channel.pipeline.syncOperations.addHandler(page)
                }
            }
        do {
            _ = try await bootstrap.connect(to: SocketAddress(ipAddress: "\(address)", port: request.port)).get()
        } catch {
            let reason = "\(request.host)[\(address)]: \(ConnectionTrouble.text(error))"
            throw Failure(isAboutCertificate: false, reason: reason)
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

/// Asks the question and reads the answer.
private final class PageHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    typealias Done = @Sendable (Result<HTTPSClient.Page, HTTPSClient.Failure>) -> Void

    private let request: HTTPSClient.Request
    private let record: CertificateRecord
    private let end: NIODeadline
    private var done: Done?
    private var reader: HTTPReplyReader
    private var timer: Scheduled<Void>?

    init(_ request: HTTPSClient.Request, _ record: CertificateRecord, until end: NIODeadline, done: @escaping Done) {
        self.request = request
        self.record = record
        self.end = end
        self.done = done
        reader = HTTPReplyReader(mostBody: request.mostBody)
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: request.octets)), promise: nil)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(deadline: end) {
            let (handler, context) = bound.value
            handler.fail("no answer in time", context)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        take(reader.read(unwrapInboundIn(data).readableBytesView), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        take(reader.end(), context)
        fail("the server closed the connection", context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case NIOSSLError.uncleanShutdown = error {
            take(reader.end(), context)
            return fail("the server closed the connection", context)
        }
        if let refusal = record.refusal { return fail(refusal, isAboutCertificate: true, context) }
        fail(ConnectionTrouble.text(error), context)
    }

    private func take(_ progress: ScannerProgress<HTTPReplyReader.Reply>, _ context: ChannelHandlerContext) {
        switch progress {
        case .unfinished: break
        case .broken(let reason): fail(reason, context)
        case .finished(let reply):
            let page = HTTPSClient.Page(status: reply.status, mediaType: reader.mediaType, body: reply.body)
            finish(.success(page), context)
        }
    }

    private func fail(_ reason: String, isAboutCertificate: Bool = false, _ context: ChannelHandlerContext) {
        finish(
            .failure(.init(isAboutCertificate: isAboutCertificate, reason: "\(request.host): \(reason)")), context)
    }

    private func finish(
        _ result: Result<HTTPSClient.Page, HTTPSClient.Failure>, _ context: ChannelHandlerContext
    ) {
        guard let done else { return }
        self.done = nil
        timer?.cancel()
        done(result)
        context.close(promise: nil)
    }
}
