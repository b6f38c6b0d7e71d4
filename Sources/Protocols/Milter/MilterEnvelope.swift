public import MailTypes

// The envelope as a mail server tells it to a milter. The server has taken each word of it already: what cannot be read
// here of its parameters is passed over.

extension Envelope {
    /// - Parameter home: The domain of addresses that have none: a server's own users may be told so.
    /// - Throws: What a path that is none is refused with.
    public init(milterPath path: String, _ parameters: [String], home: String) throws(Reply) {
        self.init(sender: try MilterPath.address(path, .reverse, home: home, else: .badSender))
        let arguments = MailArguments(
            offered: .init(extensions: SMTPServerMachine.Extension.usual, isLoginKnown: true))
        for word in MilterPath.words(parameters) {
            do throws(Reply) { try arguments.read(word.name, word.value, into: &self.parameters) } catch { continue }
        }
    }
}

extension EnvelopeRecipient {
    /// - Parameter home: As for the sender, and that of `<postmaster>`.
    /// - Throws: What a path that is none is refused with.
    public init(milterPath path: String, _ parameters: [String], home: String) throws(Reply) {
        let address = try MilterPath.address(path, .forward, home: home, else: .badRecipient)
        self.init(address ?? EmailAddress(localPart: "postmaster", domain: home))
        let arguments = RecipientArguments(hostname: home, allowsUTF8: true, hasDSN: true)
        for word in MilterPath.words(parameters) {
            do throws(Reply) { try arguments.read(word.name, word.value, into: &self.parameters) } catch { continue }
        }
    }
}

private enum MilterPath {
    static func address(
        _ text: String, _ direction: AddressParser.Direction, home: String, else malformed: Reply
    ) throws(Reply) -> EmailAddress? {
        let path = text.hasPrefix("<") ? text : "<\(text)>"
        let options = AddressParser.Options(allowsUTF8: true)
        do throws(AddressParser.Malformed) {
            return try AddressParser.wholePath(Array(path.utf8)[...], direction, options: options).mailbox
        } catch {
            // A user of the server's own may be told without its domain.
            let local = path.dropFirst().dropLast()
            let isName = path.hasSuffix(">") && !local.contains("@")
            guard isName, let own = try? AddressParser.mailbox("\(local)@\(home)") else { throw malformed }
            return own
        }
    }

    static func words(_ parameters: [String]) -> [(name: String, value: ArraySlice<UInt8>?)] {
        parameters.map { word in
            let octets = Array(word.utf8)[...]
            let end = octets.firstIndex(of: UInt8(ascii: "=")) ?? octets.endIndex
            return (octets[..<end].uppercasedText, end < octets.endIndex ? octets[(end + 1)...] : nil)
        }
    }
}
