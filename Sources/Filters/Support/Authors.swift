import MailTypes

/// Who a From or Sender field says has written. RFC 5322 §3.6.2, RFC 6854.
enum Authors {
    /// More in one field is an attack on whoever reads it.
    private static let most = 1000

    /// The addresses in order, or `nil` where the field cannot be read without doubt.
    static func addresses(in field: HeaderField) -> [EmailAddress]? {
        let list = AddressList(field, limit: most)
        return list.defects.isEmpty ? list.addresses : nil
    }
}
