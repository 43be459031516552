UPDATE identity.tenants SET owner = %(owner)s WHERE id = %(id)s
