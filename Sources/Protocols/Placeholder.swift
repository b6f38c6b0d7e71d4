enum ProtocolsPlaceholder {}
