import MailTypes

/// How a message's parts lie in one another, as far as limits ask.
struct MIMEShape {
    var depth = 1
    var parts = 1
    init(_ message: Message) {}
}
