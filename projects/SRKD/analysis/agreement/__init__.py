"""Who is right where: a teacher, a student alone and a student with a teacher, point by point."""
