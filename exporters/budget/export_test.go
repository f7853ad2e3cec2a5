package budget

// Tick does what Run does every minute, except for the file.
func (b *Budget) Tick() { b.check() }

// Save does what Run does with the file.
func (b *Budget) Save() { b.save() }
