public import MailTypes

/// One check of a client against a domain's SPF policy, as a library in a worker is asked for it: the arguments of
/// check_host(). RFC 7208 §4.1.
public struct SenderPolicyQuestion: Sendable, Hashable, Codable {
    public var client: IPAddress
    /// The HELO or EHLO name, as it was said.
    public var hello: String
    public var localPart: String
    /// The domain whose policy is asked first.
    public var domain: String
    /// This server, for `%{r}`.
    public var receiver: String
    /// Terms that may ask DNS. RFC 7208 §4.6.4.
    public var maxLookups: Int
    /// Answers that may have nothing in them.
    public var maxVoidLookups: Int

    public init(
        client: IPAddress, hello: String, sender: (localPart: String, domain: String), receiver: String,
        maxLookups: Int = 10, maxVoidLookups: Int = 2
    ) {
        self.client = client
        self.hello = hello
        (localPart, domain) = sender
        self.receiver = receiver
        self.maxLookups = maxLookups
        self.maxVoidLookups = maxVoidLookups
    }
}

/// What the library found.
public struct SenderPolicyReport: Sendable, Hashable, Codable {
    /// One of the seven results of RFC 7208 §2.6.
    public var result: AuthenticationResults.Result
    /// What decided, or what is wrong, in the library's words.
    public var reason: String?
    /// The words of the domain's owner for a `fail`. RFC 7208 §6.2.
    public var explanation: String?

    public init(_ result: AuthenticationResults.Result, reason: String? = nil, explanation: String? = nil) {
        self.result = result
        self.reason = reason
        self.explanation = explanation
    }
}
