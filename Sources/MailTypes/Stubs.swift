public enum AddressParser { public struct Malformed: Error {}
 public static func mailbox(_ text: String) throws(Malformed) -> EmailAddress { EmailAddress(stringLiteral: text) } }
enum HeaderFolding { static func field(name: String, value: String) -> [UInt8] { Array("\(name): \(value)\r\n".utf8) } }
extension String { var precomposedForLookup: String { self } }
