import Content
import MailTypes
import Synchronization

/// What a reader sees of a message, read when somebody asks first and kept beside the message for the next.
final class ContentBox: Sendable {
    private let content = Mutex<MessageContent?>(nil)

    /// Messages that are read where they are; a larger one is read on a thread for computing, so that the sessions of
    /// an event loop do not wait for it.
    private static let mostInPlace = 64 << 10

    func content(of message: Message) async -> MessageContent {
        if let known = content.withLock({ $0 }) { return known }
        let read: MessageContent
        if message.size <= Self.mostInPlace {
            read = MessageContent(of: message)
        } else {
            read = await Task.detached(executorPreference: globalConcurrentExecutor) {
                MessageContent(of: message)
            }.value
        }
        content.withLock { $0 = read }
        return read
    }
}

extension Edit {
    /// Whether it changes what a reader sees.
    var changesContent: Bool {
        switch self {
        case .replaceBody, .spliceBody, .removeFields: true
        case .prependField(let name, _), .appendField(let name, _), .insertField(let name, _, _):
            ContentBox.fields.contains(name.asciiLowercased) || name.asciiLowercased.hasPrefix("content-")
        case .score, .authentication, .resolve, .disposition, .addRecipient, .removeRecipient, .changeSender, .policy,
            .exempt, .standing, .block, .unclaimed:
            false
        }
    }
}

extension ContentBox {
    /// The fields that are read.
    fileprivate static let fields: Set<String> = ["subject", "from", "sender", "reply-to", "mime-version"]
}
