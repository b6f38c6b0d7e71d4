public import NIOCore
public import Pipeline

/// Fetches policies from the web servers of domains. RFC 8461 §3.3.
public struct MTASTSFetcher: Sendable {
    public struct Options: Sendable {
        /// Where the web servers listen.
        public var port = HTTPSClient.port
        public var client = HTTPSClient.Options()

        public init() {}
    }

    public struct Failure: Error, Sendable, Hashable {
        public var fault: MTASTSFinding.PolicyFault
        public var reason: String
    }

    private let client: HTTPSClient
    private let port: Int

    public init(
        _ options: Options, certificates: any CertificateChecks, group: any EventLoopGroup,
        resolve: @escaping @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer
    ) {
        port = options.port
        client = HTTPSClient(options.client, certificates: certificates, group: group, resolve: resolve)
    }

    /// The octets of `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`.
    public func policy(of domain: String) async throws(Failure) -> [UInt8] {
        let host = "mta-sts.\(domain)"
        let request = HTTPSClient.Request(
            host: host, port: port, path: "/.well-known/mta-sts.txt", mostBody: MTASTSPolicy.largest)
        let page: HTTPSClient.Page
        do throws(HTTPSClient.Failure) { page = try await client.ask(request) } catch {
            throw Failure(fault: error.isAboutCertificate ? .web : .fetch, reason: error.reason)
        }
        // A redirection would lead to whomever. RFC 8461 §3.3.
        guard page.status == 200 else { throw Failure(fault: .fetch, reason: "\(host): HTTP status \(page.status)") }
        // What users may put onto a web server is seldom plain text.
        guard page.mediaType == "text/plain" else {
            throw Failure(fault: .fetch, reason: "\(host): the policy is not of type text/plain")
        }
        return page.body
    }
}
