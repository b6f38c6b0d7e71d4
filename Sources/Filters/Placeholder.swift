enum FiltersPlaceholder {}
